"""One PostgreSQL connection whose every wait has a limit, and which opens itself again after it was lost."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.eventstore.arrays import register_arrays
from app.eventstore.port import StoreUnavailableError

# not now, but perhaps later: connections, limits of time and resources, deadlocks and serialization (all
# OperationalError), a connection closed under us, and a server that has just become a read-only standby
LATER = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.TransactionTimeout,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
# a database that is not at the schema of this release
UNMIGRATED = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)

Rows: TypeAlias = list[tuple[Any, ...]]
Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

# the server gives up this much earlier than the client, so that its answer says why
_MARGIN_S = 1.0

# a peer that is gone without a word is noticed within about this time
_KEEPALIVE = {"keepalives_idle": 3, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 8_000}


def conninfo(dsn: str, name: str, **options: object) -> str:
    """The same connection under a name, with settings of its own and dead peers noticed."""
    given = conninfo_to_dict(dsn).get("options") or ""
    settings = " ".join([str(given), *(f"-c {key}={value}" for key, value in options.items())]).strip()
    return make_conninfo(dsn, application_name=name, options=settings, connect_timeout=5, **_KEEPALIVE)


class Session:
    """Runs one statement at a time, each its own transaction. A statement that fails leaves the session usable."""

    def __init__(self, dsn: str, name: str, limit_seconds: float) -> None:
        server_ms = int((limit_seconds - _MARGIN_S) * 1000)
        # a rival holds a stream for the time of one statement, unless it hangs
        self._conninfo = conninfo(dsn, name, statement_timeout=server_ms, lock_timeout=server_ms // 2)
        self._limit_seconds = limit_seconds
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._turn = asyncio.Lock()

    async def run(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """The rows of a statement that is safe to repeat: it is, once, when the connection was lost while idle.

        Raises `StoreUnavailableError`, and `psycopg.Error` for what the database says of the statement itself.
        """
        try:
            async with asyncio.timeout(self._limit_seconds), self._turn:
                return await self._run(statement, parameters)
        except TimeoutError:
            raise StoreUnavailableError(f"PostgreSQL gave no answer within {self._limit_seconds:g} s") from None

    async def _run(self, statement: str, parameters: Sequence[object]) -> Rows:
        reused = self._connection is not None
        while True:
            try:
                return await self._execute(statement, parameters)
            except LATER as error:
                if self._connection is not None and isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                    # of a standby: the same address may lead to the one that writes by now
                    await self._connection.close()
                if self._connection is not None and not self._connection.closed:
                    raise
                self._connection = None
                if not reused:
                    raise StoreUnavailableError(f"no connection to a PostgreSQL that does it: {error}") from error
                reused = False

    async def _execute(self, statement: str, parameters: Sequence[object]) -> Rows:
        connection = self._connection or await self._opened()
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def _opened(self) -> Connection:
        """A connect that is cancelled stays open at the server for a minute. So it runs on its own, and when who waits
        for it is cancelled, the next statement takes over what came of it, or `close` does."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Connection:
        connection = await AsyncConnection.connect(self._conninfo, autocommit=True)
        connection.prepare_threshold = 0
        register_arrays(connection)
        self._connection = connection
        return connection

    async def close(self) -> None:
        """Within the limit of a connect, if one is under way."""
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
