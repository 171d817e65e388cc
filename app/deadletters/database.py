"""The connection to PostgreSQL: every wait has a limit, and what fails is said in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg

from app.deadletters.errors import IndexMissingError, IndexUnavailableError
from app.errors import SetupError
from app.eventstore.session import LATER, UNMIGRATED, conninfo

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

NAME = "orderflow-dead-letters"
# any number that no other lock of ours has: who adds to the index, and who sends to a consumer group
FILLING, SENDING = 720_003, 720_004


@contextmanager
def connect(dsn: str) -> Iterator[Connection]:
    """A connection, one transaction a statement unless told otherwise.

    `IndexMissingError` or `IndexUnavailableError` for whatever the database says but of what it was given.
    """
    try:
        with psycopg.connect(_place(dsn), autocommit=True) as connection:
            yield connection
    except UNMIGRATED as error:
        raise IndexMissingError("the database has no tables for dead letters; run `orderflow migrate`") from error
    except psycopg.DataError:
        raise  # the next attempt, with the same, is refused again
    except LATER as error:
        why = str(error).strip() or type(error).__name__
        raise IndexUnavailableError(f"PostgreSQL: {why}; start it, or mend ORDERFLOW_POSTGRES") from error
    except psycopg.Error as error:
        raise IndexUnavailableError(f"PostgreSQL refuses it: {error}; mend that, it is tried again") from error


def _place(dsn: str) -> str:
    try:
        return conninfo(dsn, NAME, statement_timeout="25s", lock_timeout="20s")
    except psycopg.ProgrammingError as error:
        raise SetupError(f"ORDERFLOW_POSTGRES is no connection string: {error}; mend it and start again") from None
