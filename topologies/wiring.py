"""What topologies wire alike: sources of domain events, outputs of them, the retry policy, reactions."""

from collections.abc import AsyncIterator
from typing import Any

from app.alerts.port import Alert
from app.alerts.topic import ALERTS, AlertCodec, alert_output
from app.config import Settings
from app.domain.events import Event
from app.domain.service import CHOREOGRAPHY
from app.domain.step import Overdue, Timer
from app.sagas.instance import Failure
from app.serde.cloudevents import headers
from app.serde.codec import EventCodec, event_codec
from app.serde.registry import SchemaRegistry
from app.serde.topics import EVENT_TYPES, topic_of
from app.streaming.brake import BrakePolicy
from app.streaming.policy import FailurePolicy
from app.streaming.reactions import Gateway, Reactions, Rules
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import Awaited, Codec, Source, TaskBatch, Topology


def policy(name: str, settings: Settings) -> FailurePolicy:
    """How the topology of that name handles failures."""
    told = settings.failures_of(name)
    return FailurePolicy(
        settings.retry_delays_ms if told.retries is None else told.retries.delays_ms(),
        {topic: retries.delays_ms() for topic, retries in told.topics.items()},
        told.jitter,
        told.parked_most,
        goes_on=told.dead_keys == "go-on",
    )


def event_sources(topology: Topology, registry: SchemaRegistry, *topics: str) -> tuple[Source[Any], ...]:
    """Sources of domain events, and of alerts, decoded to their types."""
    return tuple(topology.source(topic, _codec(registry, topic)) for topic in topics)


def _codec(registry: SchemaRegistry, topic: str) -> Codec[Any]:
    return AlertCodec() if topic == ALERTS else event_codec(registry, topic)


def alert_of(failure: Failure | Overdue) -> Alert:
    """One alert for each failure: another only when an operator's retry fails too. One for an order that is overdue."""
    if isinstance(failure, Overdue):
        about = {"saga": CHOREOGRAPHY, "saga_id": failure.order_id}
        return Alert(name="order.overdue", cause=about, details={"waits_for": failure.waits_for}, raised_at=failure.at)
    cause = {"saga": failure.saga, "saga_id": failure.saga_id, "step": failure.step, "failure": failure.id}
    details = {"kind": failure.kind, "error": failure.error}
    return Alert(name="saga.step_failed", cause=cause, details=details, raised_at=failure.at)


class EventOutput:
    """Makes an event the message that its topic carries, and a failure an alert."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._codecs: dict[str, EventCodec] = {topic: event_codec(registry, topic) for topic in EVENT_TYPES}

    def __call__(self, event: Event | Failure | Overdue) -> Output:
        if isinstance(event, Failure | Overdue):
            return alert_output(alert_of(event))
        topic = topic_of(type(event))
        codec = self._codecs[topic]
        return Output(topic, codec.key(event), codec.encode(event), headers(event))


def reacting(
    name: str,
    settings: Settings,
    registry: SchemaRegistry,
    gateway: Gateway,
    *,
    reads: tuple[str, ...],
    emits: tuple[str, ...] = (),
    rules: Rules,
    rows: TableSpec[Any],
    watching: tuple[str, ...] = (),
    awaited: Awaited = "outputs",
) -> Topology:
    """A topology that reacts to what `reads` carry by these rules, through the gateway, and emits events.

    Timers named in `watching` only look. `awaited`: of what it does, what somebody waits for.
    """
    topology = Topology(name, policy(name, settings), start_required=True)
    topology.watching, topology.awaited = frozenset(watching), awaited
    for topic in emits:
        topology.emits(topic)
    reactions = Reactions(
        topology,
        *event_sources(topology, registry, *reads),
        rules=rules,
        rows=rows,
        timer=Timer,
        gateway=gateway,
        emit=EventOutput(registry),
        limit_s=settings.gateway_timeout * 2,
        brake=BrakePolicy(settings.brake_keys, settings.brake_window),
    )

    @topology.agent
    async def react(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await reactions.process(batch)

    return topology
