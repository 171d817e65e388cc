"""The keys of persons in PostgreSQL, and nowhere else; and their erasure, which is audited."""

import itertools
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
import psycopg

from app.errors import SetupError
from app.eventstore.session import Rows, Session
from app.people.port import PeopleUnavailableError
from app.people.sealing import PersonKey, new_key

LIMIT_S = 6.0
SESSIONS = 2
ATTEMPTS = 5
OF = "select id, secret from person_keys where customer_id = %b"
MADE = "insert into person_keys (id, customer_id, secret) values (%b, %b, %b) on conflict (customer_id) do nothing"
NAMED = "select id, secret from person_keys where id = any(%b)"
ERASE = """
with gone as (delete from person_keys where customer_id = %b returning id)
insert into person_erasures (customer_id, who, key_id) values (%b, %b, (select id from gone))
returning at, customer_id, who, key_id is not null
"""
ERASURES = "select at, customer_id, who, key_id is not null from person_erasures order by number"


class Erasure(msgspec.Struct, frozen=True):
    """What somebody asked for. `erased`: there was something to erase, and it was not erased before."""

    at: datetime
    customer_id: str
    who: str
    erased: bool


class PostgresPersonKeys:
    """`PersonKeys`. Connects when it is first used."""

    def __init__(self, dsn: str) -> None:
        self._sessions = [Session(dsn, "orderflow-people", LIMIT_S) for _ in range(SESSIONS)]
        self._turns = itertools.cycle(self._sessions)

    async def of(self, customer_id: str) -> PersonKey:
        for _ in range(ATTEMPTS):
            for found in await self._run(OF, customer_id):
                return PersonKey(*found)
            made = new_key()
            # who else makes one at this moment may be first; and who erases it may be, too
            await self._run(MADE, made.id, customer_id, made.secret)
        raise PeopleUnavailableError(f"the key of {customer_id} was erased {ATTEMPTS} times meanwhile; try again")

    async def named(self, ids: Collection[UUID]) -> dict[UUID, PersonKey]:
        return {id_: PersonKey(id_, secret) for id_, secret in await self._run(NAMED, list(ids))}

    async def erase(self, customer_id: str, who: str) -> Erasure:
        """From now on, nobody can read what was sealed for this person, wherever it lies. Safe to repeat."""
        [row] = await self._run(ERASE, customer_id, customer_id, who)
        return Erasure(*row)

    async def erasures(self) -> list[Erasure]:
        """All there were, the oldest first."""
        return [Erasure(*row) for row in await self._run(ERASURES)]

    async def _run(self, statement: str, *parameters: object) -> Rows:
        return await run(next(self._turns), statement, parameters)

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()


async def run(session: Session, statement: str, parameters: Sequence[object]) -> Rows:
    """The rows of a statement; a `PeopleUnavailableError`, or a `SetupError` for a database that is not migrated."""
    try:
        return await session.run(statement, parameters)
    except psycopg.errors.UndefinedTable as error:
        raise SetupError("the database has no keys of persons; run `orderflow migrate`") from error
    except psycopg.Error as error:
        raise PeopleUnavailableError(f"PostgreSQL: {error}; try again") from error
