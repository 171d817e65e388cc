"""The one way from a command to events in the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec

from app.commands.orders import Orders
from app.domain.events import Event, Micros
from app.domain.orders import Command, CreateOrder, Order, UnknownOrderError, decide, evolve_all
from app.errors import ConcurrencyError, RefusedError, TransientError
from app.eventstore.port import Appended, EventStore

ATTEMPTS = 5
TURN_LIMIT_SECONDS = 10.0


class ContendedError(TransientError):
    """Others keep the order busy; nothing was appended."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A command and what makes it safe to send again.

    `command_id` names it: sent twice, it has effect once, and with another `fingerprint` it is refused. `expected` is
    the version that the order must have; without it the command is decided on whatever version the order has.
    """

    command: Command
    command_id: UUID
    causation_id: str
    fingerprint: bytes = b""
    expected: int | None = None


class Handled(msgspec.Struct, frozen=True):
    """The order as the command left it. `replayed`: it had been handled before, nothing was written now."""

    order: Order
    replayed: bool


class Commands:
    """Decides commands one at a time for each order; other processes may race, the store's versions judge them."""

    def __init__(self, store: EventStore, now: Callable[[], Micros]) -> None:
        self._store, self._now = store, now
        self._orders = Orders(store)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def order(self, order_id: str) -> Order:
        """The order as all its events make it; `UnknownOrderError` when it has none."""
        order = await self._orders.current(order_id)
        if order is None:
            raise UnknownOrderError(f"order {order_id} is unknown; create it first")
        return order

    async def last_event(self, order_id: str) -> Event:
        """The newest event of an order that is known."""
        order = await self.order(order_id)
        return (await self._store.read(order_id, order.version))[0]

    async def handle(self, request: Request) -> Handled:
        """Appends what the command leads to, or answers what it led to when it was handled before.

        Raises `OrderRefusedError` (the rules), `ConcurrencyError` (not at the expected version), `CommandReusedError`,
        and the store's transient errors, after which the same request may be sent again.
        """
        async with self._turn(request.command.order_id):
            return await self._handle(request)

    @asynccontextmanager
    async def _turn(self, order_id: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(order_id, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_LIMIT_SECONDS):
                await turn.acquire()
        except TimeoutError:
            detail = f"order {order_id} had no turn within {TURN_LIMIT_SECONDS:g} s; send the command again"
            raise ContendedError(detail) from None
        try:
            yield
        finally:
            turn.release()

    async def _handle(self, request: Request) -> Handled:
        order_id = request.command.order_id
        # a new order is not looked for first: the store refuses a second one
        order = None if isinstance(request.command, CreateOrder) else await self._orders.current(order_id)
        for _ in range(ATTEMPTS):
            try:
                return await self._attempt(order, request)
            except ConcurrencyError:
                if request.expected is not None:
                    raise
            order = await self._orders.current(order_id)
        raise ContendedError(f"order {order_id} changed {ATTEMPTS} times meanwhile; send the command again")

    async def _attempt(self, order: Order | None, request: Request) -> Handled:
        try:
            events = self._decide(order, request)
        except RefusedError:
            # the order may be as it is because of this very command
            recorded = await self._recorded(request)
            if recorded is None:
                raise
            return await self._replayed(request, recorded)
        appended = await self._store.append(
            request.command.order_id,
            0 if order is None else order.version,
            events,
            command_id=request.command_id,
            fingerprint=request.fingerprint,
        )
        if appended.replayed:
            return await self._replayed(request, appended)
        return Handled(evolve_all(order, events), replayed=False)

    def _decide(self, order: Order | None, request: Request) -> tuple[Event, ...]:
        if order is not None and request.expected is not None and request.expected != order.version:
            raise ConcurrencyError(order.order_id, request.expected, order.version)
        return decide(order, request.command, causation_id=request.causation_id, now=self._now())

    async def _recorded(self, request: Request) -> Appended | None:
        return await self._store.recorded(
            request.command.order_id, command_id=request.command_id, fingerprint=request.fingerprint
        )

    async def _replayed(self, request: Request, appended: Appended) -> Handled:
        order = await self._orders.at(request.command.order_id, appended.version)
        return Handled(order, replayed=True)
