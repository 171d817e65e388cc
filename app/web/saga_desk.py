"""Finds the sagas of orders: orchestrated ones at the workers that run them, choreographed ones in what was told."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar
from uuid import UUID

import aiohttp
import msgspec

from app.domain import fulfilment_saga
from app.domain.events import Event, Micros, OrderCreated
from app.domain.orders import UnknownOrderError
from app.domain.requests import ResolveStep, RetryStep, SagaOperation, Settlement, SkipStep
from app.domain.streams import Envelope
from app.eventstore.port import EventStore
from app.inbox import choreographed
from app.inbox.audit import Audit
from app.inbox.history import History
from app.inbox.sending import Sender
from app.sagas import machine
from app.sagas.instance import Action, Instance, Operate, Status
from app.serde.topics import ORDERS_EVENTS, topic_of
from app.web.gateway import Gateway
from app.web.problem import ProblemError
from app.web.saga_pages import FULFILMENTS, LISTS, SAGA, SAGAS, SERVICES, Late
from app.web.views import partition_of

_COMMANDS: dict[Action, type[SagaOperation]] = {"retry": RetryStep, "skip": SkipStep, "resolve": ResolveStep}

LIST_TIMEOUT = aiohttp.ClientTimeout(total=20.0, sock_connect=0.25)
(SAGAS_LIST, _), (NOT_UNDONE_LIST, _), (OVERDUE_LIST, _) = (LISTS[table] for table in (SAGAS, SERVICES[0], FULFILMENTS))
ItemT = TypeVar("ItemT")
HEARD_S, PAUSE_S = 10.0, 0.1


class Found(msgspec.Struct, frozen=True):
    """A saga with the names of its steps, and the event that it waits for past its deadline."""

    instance: Instance
    steps: Sequence[str]
    waits_for: str = ""


class _Row(msgspec.Struct):
    instance: Instance


class SagaDesk:
    """`gateway` reaches the workers that run sagas, `services` those of each service, `outcomes` those that decide
    choreographed orders; `deadline_us` is what such an order has."""

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
        instances = await _listed(self._gateway, SAGAS_LIST, f"?state={state}", list[Instance])
        found = [_found(instance) for instance in instances]
        if state == "COMPENSATION_FAILED":
            asked = [_listed(service, NOT_UNDONE_LIST, "", list[str]) for service in self._services]
            for order_id in {order_id for listed in await asyncio.gather(*asked) for order_id in listed}:
                one = await self.find(order_id, await self.told(order_id))
                found += [one] if one.instance.status == state else []
        return sorted(found, key=_age)

    async def overdue(self) -> list[Found]:
        """Choreographed ones without an outcome past their deadline, the oldest first."""
        late = await _listed(self._outcomes, OVERDUE_LIST, "", list[Late])
        found = [await self._late(one) for one in late]
        return sorted([one for one in found if not one.instance.ended], key=_age)

    async def _late(self, late: Late) -> Found:
        """As its own events tell, which say whether it has ended meanwhile."""
        instance = choreographed.saga(await self._stored(late.order_id), self._deadline_us)
        return Found(instance, choreographed.STEPS, late.waits_for)

    async def told(self, order_id: str) -> list[Event]:
        """All that was told of the order, by time: its own events are those of the store."""
        stored = await self._stored(order_id)
        partition = partition_of(order_id, self._gateway.partitions)
        heard = await asyncio.to_thread(self._history.of, order_id, partition, stored[0].occurred_at)
        others = [event for event in heard if topic_of(type(event)) != ORDERS_EVENTS]
        # whatever the clocks of other machines say, nothing was told of it before it was created
        return [stored[0], *sorted([*stored[1:], *others], key=lambda event: event.occurred_at)]

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
        answer = await self._gateway.read(SAGA, {"order_id": order_id})
        if answer.status_code != 200:
            raise ProblemError("SAGA_UNKNOWN", f"the saga of order {order_id} has not begun yet; ask again in a moment")
        return _found(msgspec.json.decode(answer.body, type=_Row).instance)


async def _listed(gateway: Gateway, path: str, query: str, kind: type[list[ItemT]]) -> list[ItemT]:
    """What the workers of all partitions list."""
    targets = [f"{path}/{partition}{query}" for partition in range(gateway.partitions)]
    asked = [gateway.ask(partition, target, path[1:], LIST_TIMEOUT) for partition, target in enumerate(targets)]
    return [item for answer in await asyncio.gather(*asked) for item in msgspec.json.decode(answer.body, type=kind)]


def _age(one: Found) -> tuple[Micros, str]:
    return one.instance.began_at, one.instance.saga_id


def _is_orchestrated(created: Event) -> bool:
    return isinstance(created, OrderCreated) and created.fulfilment == "orchestration"


def _heard(instance: Instance, operation: Operate) -> bool:
    return any(one.id == operation.id for one in instance.operations)


def _found(instance: Instance) -> Found:
    return Found(instance, [step.name for step in fulfilment_saga.SAGAS.of(instance).steps])
