"""Finds the sagas of orders: orchestrated ones at the workers that run them, choreographed ones in what was told."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from time import monotonic
from uuid import UUID

import msgspec

from app.domain import fulfilment_saga
from app.domain.events import Event, Micros, OrderCreated
from app.domain.orders import UnknownOrderError
from app.domain.requests import ResolveStep, RetryStep, SagaOperation, Settlement, SkipStep
from app.domain.streams import Envelope
from app.errors import TransientError
from app.eventstore.port import EventStore, UnreadableEventError
from app.inbox import choreographed
from app.inbox.audit import Audit
from app.inbox.history import LIMIT_S, History
from app.inbox.sending import Sender
from app.observability.log import logger
from app.sagas import machine
from app.sagas.instance import Action, Instance, Operate, Status
from app.serde.errors import RegistryUnavailableError
from app.serde.topics import ORDERS_EVENTS, topic_of
from app.streaming.errors import KafkaUnreachableError
from app.web import saga_workers
from app.web.gateway import Gateway
from app.web.problem import ProblemError
from app.web.saga_pages import Late
from app.web.saga_unread import unread
from app.web.views import partition_of

log = logger(__name__)

_COMMANDS: dict[Action, type[SagaOperation]] = {"retry": RetryStep, "skip": SkipStep, "resolve": ResolveStep}

HEARD_S, PAUSE_S = 10.0, 0.1
# histories for one list: each takes a thread and a client of Kafka's, and who asks has a limit too
SIDE_BY_SIDE, HISTORIES_S = 4, 20.0


class Found(msgspec.Struct, frozen=True):
    """A saga with the names of its steps, and the event that it waits for past its deadline."""

    instance: Instance
    steps: Sequence[str]
    waits_for: str = ""


class SagaDesk:
    """`gateway` reaches the workers that run sagas, `services` those of payments, inventory and shipping, `outcomes`
    those that decide choreographed orders; `deadline_us` is what such an order has."""

    def __init__(
        self,
        store: EventStore,
        gateway: Gateway,
        services: Sequence[Gateway],
        outcomes: Gateway,
        history: History,
        audit: Audit,
        sender: Sender,
        *,
        deadline_us: Micros,
        now: Callable[[], Micros],
    ) -> None:
        self._store, self._history = store, history
        self._gateway, self._services, self._outcomes = gateway, services, outcomes
        self.audit, self._sender = audit, sender
        self._deadline_us, self._now = deadline_us, now

    async def listed(self, state: Status) -> list[Found]:
        """Orchestrated ones in that state, and choreographed ones with an undoing that failed, the oldest first."""
        found = [_found(instance) for instance in await saga_workers.in_state(self._gateway, state)]
        if state == "COMPENSATION_FAILED":
            found += [one for one in await self._not_undone() if one.instance.status == state]
        return sorted(found, key=_age)

    async def _not_undone(self) -> list[Found]:
        """The orders of which services say that an undoing failed."""
        asked = [saga_workers.not_undone(service) for service in self._services]
        failed: dict[str, set[str]] = defaultdict(set)
        for step, listed in zip(choreographed.SETTLED_BY, await asyncio.gather(*asked), strict=False):
            for order_id in listed:
                failed[order_id].add(step)
        turns, until = asyncio.Semaphore(SIDE_BY_SIDE), monotonic() + HISTORIES_S

        async def one(order_id: str, steps: Set[str]) -> Found:
            async with turns:
                return await self._known(order_id, steps, until)

        return await asyncio.gather(*[one(order_id, steps) for order_id, steps in failed.items()])

    async def _known(self, order_id: str, failed: Set[str], until: float) -> Found:
        """By its history where that can be read until then; else by its own events, and by these steps that failed."""
        stored = await self._own(order_id)
        try:
            if stored:
                return await self.find(order_id, await self._told(stored, until - monotonic()))
        except (TransientError, KafkaUnreachableError) as error:
            log.warning("saga.history_unread", order_id=order_id, error=f"{type(error).__name__}: {error}")
        return Found(unread(order_id, stored, self._deadline_us, failed), choreographed.STEPS)

    async def overdue(self) -> list[Found]:
        """Choreographed ones without an outcome past their deadline, the oldest first."""
        found = [await self._late(one) for one in await saga_workers.overdue(self._outcomes)]
        return sorted([one for one in found if not one.instance.ended], key=_age)

    async def _late(self, late: Late) -> Found:
        """As its own events tell, which say whether it has ended meanwhile."""
        stored = await self._own(late.order_id)
        if stored:
            return Found(choreographed.saga(stored, self._deadline_us), choreographed.STEPS, late.waits_for)
        return Found(unread(late.order_id, stored, self._deadline_us), choreographed.STEPS, late.waits_for)

    async def _own(self, order_id: str) -> Sequence[Event]:
        """Its own events; none of an order that the store does not know, or cannot read: it is listed all the same."""
        try:
            return await self._stored(order_id)
        except (UnknownOrderError, UnreadableEventError, RegistryUnavailableError) as error:
            log.warning("saga.order_unread", order_id=order_id, error=f"{type(error).__name__}: {error}")
            return []

    async def told(self, order_id: str) -> list[Event]:
        """All that was told of the order, by time: its own events are those of the store."""
        return await self._told(await self._stored(order_id), LIMIT_S)

    async def _told(self, stored: Sequence[Event], limit_s: float) -> list[Event]:
        created = stored[0]
        partition = partition_of(created.order_id, self._gateway.partitions)
        heard = await asyncio.to_thread(self._history.of, created.order_id, partition, created.occurred_at, limit_s)
        others = [event for event in heard if topic_of(type(event)) != ORDERS_EVENTS]
        # whatever the clocks of other machines say, nothing was told of it before it was created
        return [created, *sorted([*stored[1:], *others], key=lambda event: event.occurred_at)]

    async def find(self, order_id: str, events: Sequence[Event]) -> Found:
        """Where the order of these events stands."""
        if _is_orchestrated(events[0]):
            return await self._orchestrated(order_id)
        return Found(choreographed.saga(events, self._deadline_us), choreographed.STEPS)

    async def operate(self, order_id: str, operation: Operate) -> tuple[Found, bool]:
        """Does as the operator says, once for each id; where the saga stands then, and whether it has heard of it.

        Raises an `OperationRefusedError` where the saga does not wait for that.
        """
        found, created = await self._found(order_id)
        heard = _heard(found.instance, operation)
        if not heard:
            self._check(found.instance, created, operation)
        id_, action, step = UUID(operation.id), operation.action, operation.step
        await self.audit.record(id_, operation.operator, action, order_id, step, operation.reason)
        if not heard:
            await self._sender.send(self._command(created, operation))
        until = monotonic() + HEARD_S
        while not _heard(found.instance, operation) and monotonic() < until:
            await asyncio.sleep(PAUSE_S)
            found, _ = await self._found(order_id)
        return found, _heard(found.instance, operation)

    def _check(self, instance: Instance, created: Event, operation: Operate) -> None:
        if _is_orchestrated(created):
            machine.proceed(fulfilment_saga.SAGAS.of(instance), instance, operation, self._now())
        else:
            choreographed.check(instance, operation)

    def _command(self, created: Event, operation: Operate) -> SagaOperation | Settlement:
        envelope = Envelope(
            event_id=operation.id,
            order_id=created.order_id,
            version=1,
            occurred_at=self._now(),
            correlation_id=created.correlation_id,
            causation_id=operation.id,
        )
        action, told = operation.action, {"operator": operation.operator, "reason": operation.reason}
        if _is_orchestrated(created):
            return _COMMANDS[action](**envelope, step=operation.step, **told)
        return choreographed.SETTLED_BY[operation.step](**envelope, action=action, **told)

    async def _found(self, order_id: str) -> tuple[Found, Event]:
        """Where the order stands, and how it was created."""
        events = await self._stored(order_id)
        if not _is_orchestrated(events[0]):
            events = await self.told(order_id)
        return await self.find(order_id, events), events[0]

    async def _stored(self, order_id: str) -> list[Event]:
        stored = await self._store.read(order_id)
        if not stored:
            raise UnknownOrderError(f"order {order_id} is unknown; create it first")
        return stored

    async def _orchestrated(self, order_id: str) -> Found:
        instance = await saga_workers.saga(self._gateway, order_id)
        if instance is None:
            raise ProblemError("SAGA_UNKNOWN", f"the saga of order {order_id} has not begun yet; ask again in a moment")
        return _found(instance)


def _age(one: Found) -> tuple[Micros, str]:
    return one.instance.began_at, one.instance.saga_id


def _is_orchestrated(created: Event) -> bool:
    return isinstance(created, OrderCreated) and created.fulfilment == "orchestration"


def _heard(instance: Instance, operation: Operate) -> bool:
    return any(one.id == operation.id for one in instance.operations)


def _found(instance: Instance) -> Found:
    return Found(instance, [step.name for step in fulfilment_saga.SAGAS.of(instance).steps])
