"""The keys that the personal data of customers is sealed with, and their erasures."""

from pathlib import Path

from alembic import op

revision = "0010_person_keys"
down_revision = "0009_order_of_events"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
