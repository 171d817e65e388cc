"""Who publishes the outbox: the row that says so, the publication for change data capture, the lock of appends."""

from pathlib import Path

from alembic import op

revision = "0004_publishing"
down_revision = "0003_dead_letters"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
