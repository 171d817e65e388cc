"""Who gets an order, from the event that created it: for the one service that has to know, when it calls."""

import itertools

from app.domain.events import OrderCreated
from app.eventstore.postgres import Codec
from app.eventstore.session import Session
from app.eventstore.streams import stream_of
from app.people.people import People
from app.people.port import PersonalData
from app.people.postgres import LIMIT_S, SESSIONS, PostgresPersonKeys, run

CREATED = "select payload from events where order_id = %b and version = 1"


class StoredRecipients:
    """`Recipients`. Connects when it is first used."""

    def __init__(self, dsn: str, codec: Codec) -> None:
        self._codec, self._keys = codec, PostgresPersonKeys(dsn)
        self._people = People(self._keys)
        self._sessions = [Session(dsn, "orderflow-recipients", LIMIT_S) for _ in range(SESSIONS)]
        self._turns = itertools.cycle(self._sessions)

    async def of(self, order_id: str) -> PersonalData:
        """`none` for an order that the store does not know, too."""
        stream = stream_of(order_id)
        rows = await run(next(self._turns), CREATED, (stream,)) if stream else []
        created = self._codec.decode(rows[0][0]) if rows else None
        if not isinstance(created, OrderCreated):
            return PersonalData()
        return await self._people.open(
            order_id, customer_name=created.customer_name, delivery_address=created.delivery_address
        )

    async def close(self) -> None:
        await self._keys.close()
        for session in self._sessions:
            await session.close()
