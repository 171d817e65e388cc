"""The records of a topic that do not count, because a repair has made them good."""

from pathlib import Path

from alembic import op

revision = "0006_void_records"
down_revision = "0005_saga_audit"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
