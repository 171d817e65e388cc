"""The warehouse's schema: stock, receipts, reservations, and the functions that change them."""

from pathlib import Path

from alembic import op

revision = "0002_warehouse"
down_revision = "0001_event_store"


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    op.execute("drop schema warehouse cascade")
