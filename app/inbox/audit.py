"""What operators asked of sagas: rows that are added and never changed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
import psycopg

from app.errors import RefusedError, SetupError, TransientError
from app.eventstore.session import Rows, Session
from app.sagas.instance import Action

LIMIT_S = 6.0
ACT = """
insert into sagas.audit (id, who, action, order_id, step, reason) values (%b, %b, %b, %b, %b, %b)
on conflict (id) do nothing
"""
KEPT = "select action, order_id, step from sagas.audit where id = %b"
ACTS = "select at, id, who, action, order_id, step, reason from sagas.audit order by number"


class AuditUnavailableError(TransientError):
    """PostgreSQL did not take the row; nothing was asked of the saga."""


class OperationReusedError(RefusedError):
    """The id belongs to another command; send this one under its own."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One command of an operator."""

    at: datetime
    id: UUID
    who: str
    action: Action
    order_id: UUID
    step: str
    reason: str


class Audit:
    """Connects when it is first used."""

    def __init__(self, dsn: str) -> None:
        self._session = Session(dsn, "orderflow-inbox", LIMIT_S)

    async def record(self, id_: UUID, who: str, action: Action, order_id: str, step: str, reason: str) -> None:
        """Adds the row, unless this very command has it already."""
        await self._run(ACT, (id_, who, action, UUID(order_id), step, reason))
        [kept] = await self._run(KEPT, (id_,))
        if kept != (action, UUID(order_id), step):
            raise OperationReusedError(f"{id_} was another command: {kept[0]} {kept[2]} of order {kept[1]}")

    async def acts(self) -> list[Act]:
        """All there are, the oldest first."""
        fields = Act.__struct_fields__
        return [Act(**dict(zip(fields, row, strict=True))) for row in await self._run(ACTS)]

    async def _run(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        try:
            return await self._session.run(statement, parameters)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise SetupError("the database has no audit of sagas; run `orderflow migrate`") from error
        except psycopg.Error as error:
            raise AuditUnavailableError(f"PostgreSQL: {error}; send the command again") from error

    async def close(self) -> None:
        await self._session.close()
