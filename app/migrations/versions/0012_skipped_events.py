"""The events that operators had skipped, as they were stored."""

from pathlib import Path

from alembic import op

revision = "0012_skipped_events"
down_revision = "0011_outbox_partitions"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
