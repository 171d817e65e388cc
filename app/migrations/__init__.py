"""Brings a database to the schema of this code, and takes it no further: one transaction, safe to run at any time."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from app.errors import SetupError

OLDEST_POSTGRES = 17
CONNECT_TIMEOUT_S = 10

# any number that no other lock of ours has: two processes that migrate at once do it one after the other
_LOCK = 720_001


def upgrade(dsn: str) -> None:
    """Every migration that the database lacks, all or nothing; a `SetupError` when there is no database to mend."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(dsn), poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _connect(dsn: str) -> psycopg.Connection:
    try:
        connection = psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S, options="-c transaction_timeout=0")
    except psycopg.Error as error:
        raise SetupError(f"no connection to PostgreSQL: {error}; start it, or mend ORDERFLOW_POSTGRES") from None
    if connection.info.server_version < OLDEST_POSTGRES * 10_000:
        connection.close()
        raise SetupError(f"PostgreSQL {OLDEST_POSTGRES} or newer is needed: older ones limit no transaction's time")
    return connection
