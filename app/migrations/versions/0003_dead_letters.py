"""Dead letters: the index of what the DLQ topics hold, and what operators did about it."""

from pathlib import Path

from alembic import op

revision = "0003_dead_letters"
down_revision = "0002_warehouse"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
