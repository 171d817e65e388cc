"""What operators did about the sagas of orders."""

from pathlib import Path

from alembic import op

revision = "0005_saga_audit"
down_revision = "0004_publishing"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
