"""The event store: events, outbox, idempotency results, positions of the relay, and the function that appends."""

from pathlib import Path

from alembic import op

revision = "0001_event_store"
down_revision = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
