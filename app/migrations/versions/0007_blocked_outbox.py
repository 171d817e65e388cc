"""The aggregates whose outbox rows wait behind one that Kafka refuses."""

from pathlib import Path

from alembic import op

revision = "0007_blocked_outbox"
down_revision = "0006_void_records"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
