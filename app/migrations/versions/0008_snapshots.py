"""Snapshots of orders, so that long ones are read from near their end."""

from pathlib import Path

from alembic import op

revision = "0008_snapshots"
down_revision = "0007_blocked_outbox"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
