"""The declaration of a topology: what it reads, runs, writes. It runs nothing itself.

`app.streaming.faust` runs it on Kafka, `app.streaming.driver` on in-memory topics.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from app.streaming.blocked import BLOCKED, PARKED
from app.streaming.errors import InternalValueError
from app.streaming.names import changelog_topic, dlq_topic, group_id, redrive_topic, repartition_topic, retry_topic
from app.streaming.policy import FailurePolicy
from app.streaming.runner import RunnerFactory
from app.streaming.table import TableSpec

ValueT = TypeVar("ValueT")
ValueT_co = TypeVar("ValueT_co", covariant=True)
RowT = TypeVar("RowT")

Kind: TypeAlias = Literal["events", "repartition", "retry", "redrive", "dlq", "changelog"]
RowCheck: TypeAlias = Callable[[Iterable[Any]], None]
AgentFunction: TypeAlias = Callable[[AsyncIterator["TaskBatch"]], Awaitable[None]]


class Codec(Protocol[ValueT_co]):
    """Reads a topic's values. `decode` raises a `PoisonError` for what it cannot read."""

    def decode(self, value: bytes | None) -> ValueT_co: ...

    def prepare(self, value: bytes | None) -> None:
        """Raises a `SurroundingsError` while it is unknown how to read this value."""
        ...

    def key(self, value: Any) -> bytes:
        """The key that a record of this value must have."""
        ...


class Source(Generic[ValueT_co]):
    """An undelayed source topic of the topology and how its values are read."""

    def __init__(self, topic: str, codec: Codec[ValueT_co]) -> None:
        self.topic, self.codec = topic, codec


class Repartition(Source[ValueT]):
    """A topic that the topology writes for itself, keyed anew; its values are MessagePack of a msgspec Struct."""

    def __init__(self, topic: str, codec: "StructCodec[ValueT]") -> None:
        super().__init__(topic, codec)
        self.encode = codec.encode


class StructCodec(Generic[ValueT]):
    """Values of an internal topic: MessagePack of one Struct type."""

    def __init__(self, kind: type[ValueT], key: Callable[[ValueT], str]) -> None:
        self._key = key
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self.encode: Callable[[ValueT], bytes] = msgspec.msgpack.Encoder().encode

    def prepare(self, value: bytes | None) -> None:
        """It knows all that it reads."""

    def decode(self, value: bytes | None) -> ValueT:
        try:
            return self._decode(value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InternalValueError(f"not a value of this topic: {error}") from error

    def key(self, value: ValueT) -> bytes:
        return self._key(value).encode()


class TopicSpec(msgspec.Struct, frozen=True):
    name: str
    kind: Kind


# effects are rows and outputs; commands are outputs whose replies ask for more; calls are made before a checkpoint
Awaited: TypeAlias = Literal["effects", "outputs", "commands", "calls", "nothing"]


class TaskBatch(Protocol):
    """A record batch on its way to the task that it belongs to."""

    def deliver(self) -> None: ...


class Topology:
    """One consumer group, one deployable unit. `start_required`: it acts on the outside, so it is told its start.

    Timers with a name of `watching` change nothing that records are judged by: see `Timers`. `awaited` says for what of
    its own somebody waits; with the rest a checkpoint takes its time, and more records share one. The records at the
    offsets in `void`, by topic and partition, do not count: tasks pass them by.
    """

    def __init__(self, name: str, policy: FailurePolicy, *, start_required: bool = False) -> None:
        self.name, self.group, self.policy, self.start_required = name, group_id(name), policy, start_required
        self.sources: dict[str, Source[Any]] = {}
        self.tables: dict[str, TableSpec[Any]] = {}
        self.row_checks: dict[str, RowCheck] = {}
        self.watching: frozenset[str] = frozenset()
        self.awaited: Awaited = "effects"
        self.void: Mapping[tuple[str, int], frozenset[int]] = {}
        self.outputs: list[str] = []
        self.runner: RunnerFactory | None = None
        self.agents: list[AgentFunction] = []
        self.table(BLOCKED)
        self.table(PARKED)

    def source(self, topic: str, codec: Codec[ValueT]) -> Source[ValueT]:
        """Read `topic` from its start (or as told) in the order of its keys."""
        source = Source(topic, codec)
        self.sources[topic] = source
        return source

    def repartition(self, name: str, kind: type[ValueT], key: Callable[[ValueT], str]) -> Repartition[ValueT]:
        """A topic through which changes reach the task of another key."""
        source = Repartition(repartition_topic(self.group, name), StructCodec(kind, key))
        self.sources[source.topic] = source
        return source

    def table(self, spec: TableSpec[RowT]) -> TableSpec[RowT]:
        """A table of every task, restored from its changelog."""
        self.tables[spec.name] = spec
        return spec

    def checks(self, spec: TableSpec[RowT], check: Callable[[Iterable[RowT]], None]) -> None:
        """Before a task begins, `check` is given its committed rows; a `SetupError` that it raises ends the worker."""
        self.row_checks[spec.name] = check

    def emits(self, topic: str) -> str:
        """Declare an output topic."""
        self.outputs.append(topic)
        return topic

    def agent(self, function: AgentFunction) -> AgentFunction:
        """Register the agent that hands this topology's batches over."""
        self.agents.append(function)
        return function

    @property
    def retry_topics(self) -> dict[str, int]:
        """Retry topic -> its delay in milliseconds."""
        return {retry_topic(self.group, delay): delay for delay in self.policy.all_delays()}

    @property
    def delayed_topics(self) -> dict[str, int]:
        """Topics by which records come back -> the delay in milliseconds: letters that are sent back have none."""
        return {**self.retry_topics, redrive_topic(self.group): 0}

    @property
    def input_topics(self) -> list[str]:
        """Everything a task reads, delayed sources included."""
        return [*self.sources, *self.delayed_topics]

    @property
    def output_topics(self) -> set[str]:
        """Where processors may send to."""
        return {*self.outputs, *(topic for topic, source in self.sources.items() if isinstance(source, Repartition))}

    def changelog(self, table: str) -> str:
        return changelog_topic(self.group, table)

    def topics(self) -> list[TopicSpec]:
        """Every topic that the topology needs."""
        own = [
            TopicSpec(topic, "repartition" if isinstance(s, Repartition) else "events")
            for topic, s in self.sources.items()
        ]
        outputs = [TopicSpec(topic, "events") for topic in self.outputs]
        retries = [TopicSpec(topic, "retry") for topic in self.retry_topics]
        changelogs = [TopicSpec(self.changelog(table), "changelog") for table in self.tables]
        letters = [TopicSpec(redrive_topic(self.group), "redrive"), TopicSpec(dlq_topic(self.group), "dlq")]
        return [*own, *outputs, *retries, *letters, *changelogs]
