"""The order of all events: by the transaction that appended them."""

from pathlib import Path

from alembic import op

revision = "0009_order_of_events"
down_revision = "0008_snapshots"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
