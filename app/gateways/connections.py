"""A handful of PostgreSQL connections whose every wait has a limit, and what their failures mean."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.errors import SetupError
from app.eventstore.session import LATER
from app.gateways.ports import CallRejectedError, PartyUnavailableError

Row: TypeAlias = tuple[Any, ...]
Connection: TypeAlias = psycopg.AsyncConnection[Row]


class Connections:
    """Up to `size` autocommit connections, opened when they are first needed and again after they broke.

    `timeout_seconds` bounds a whole statement: the wait for a connection, the connecting, the answer. The server is
    given the same limit, so that it does not work on for a caller who has gone. `SetupError` when `dsn` is no
    connection string.
    """

    def __init__(self, party: str, dsn: str, timeout_seconds: float, size: int = 8) -> None:
        self._party = party
        self._dsn = dsn
        self._options = _options(dsn, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._size = size
        self._free = asyncio.Semaphore(size)  # serves its waiters in turn
        self._idle: list[Connection] = []  # the last one used is used next: no more are opened than needed

    async def fetch(self, statement: str, parameters: Mapping[str, object]) -> Row:
        """The first row of one statement; see `Gateway.perform` for the errors."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._fetch(statement, parameters)
        except TimeoutError:
            raise PartyUnavailableError(self._party, f"no answer within {self._timeout_seconds:g} s") from None
        except LATER as error:
            raise PartyUnavailableError(self._party, _text(error)) from error
        except psycopg.Error as error:
            raise CallRejectedError(self._party, _text(error)) from error

    async def _fetch(self, statement: str, parameters: Mapping[str, object]) -> Row:
        async with self._free:
            if self._idle:
                connection = self._idle.pop()
                try:
                    return await self._use(connection, statement, parameters)
                except LATER:
                    if not connection.closed:
                        raise
            # none was idle, or it was lost since its last use (a restarted server): every call is safe to repeat
            return await self._use(await self._connect(), statement, parameters)

    async def _use(self, connection: Connection, statement: str, parameters: Mapping[str, object]) -> Row:
        try:
            return await _first_row(connection, statement, parameters)
        except psycopg.errors.ReadOnlySqlTransaction:
            # of a standby: the same address may lead to the one that writes by now
            await connection.close()
            raise
        finally:
            if not connection.closed:
                self._idle.append(connection)

    async def _connect(self) -> Connection:
        name = f"orderflow-{self._party}"
        return await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, options=self._options, application_name=name
        )

    async def close(self) -> None:
        """Waits for the statements under way, which have their limit; serves none after that."""
        while self._size:
            await self._free.acquire()
            self._size -= 1
        while self._idle:
            await self._idle.pop().close()


def _options(dsn: str, timeout_seconds: float) -> str:
    milliseconds = int(timeout_seconds * 1000)
    try:
        given = conninfo_to_dict(dsn).get("options") or ""
    except psycopg.Error as error:
        raise SetupError(f"no connection to PostgreSQL: {str(error).strip()}; mend ORDERFLOW_POSTGRES") from None
    return f"{given} -c statement_timeout={milliseconds} -c lock_timeout={milliseconds}".strip()


async def _first_row(connection: Connection, statement: str, parameters: Mapping[str, object]) -> Row:
    work = asyncio.create_task(_execute(connection, statement, parameters))
    try:
        await asyncio.wait({work})
    except asyncio.CancelledError:
        # psycopg would now ask the server to cancel and wait for it; one that hangs must not make us wait
        _cut(connection)
        await asyncio.wait({work})
        work.exception()
        await connection.close()
        raise
    return work.result()


async def _execute(connection: Connection, statement: str, parameters: Mapping[str, object]) -> Row:
    row = await (await connection.execute(statement, parameters)).fetchone()
    if row is None:
        raise psycopg.DataError("the statement answered no row")
    return row


def _cut(connection: Connection) -> None:
    """Ends the connection's socket under it: what waits on it fails at once, whatever the server does."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _text(error: psycopg.Error) -> str:
    return f"{type(error).__name__}: {str(error).strip()}"
