"""The outbox in partitions, so that what is published and old can be dropped at once."""

from pathlib import Path

from alembic import op

revision = "0011_outbox_partitions"
down_revision = "0010_person_keys"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
