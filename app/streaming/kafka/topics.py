"""Creates the topics that topologies declare, checks them, and empties them: a worker never makes one."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import msgspec
from confluent_kafka import OFFSET_END, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, OffsetSpec

from app.streaming.blocked import PARKED
from app.streaming.errors import RetentionError, TopicError
from app.streaming.kafka.clients import COMMON, unreachable
from app.streaming.kafka.moving import passes
from app.streaming.record import RECORD_LIMIT
from app.streaming.topology import Kind, TopicSpec

REQUEST_S = 30.0
LEADERS_S = 60.0  # a broker that makes a hundred topics on a busy machine takes its time
LOOK_S = 10.0
LEARN_S = 3.0  # what was set at one broker, another one may not know yet
AGAIN_S = 0.05
HEADER_ROOM = 64 * 1024  # what a retry or a dead letter adds to the record that it carries
CARRIES_RECORDS = str(RECORD_LIMIT + HEADER_ROOM)
CARRIES_ROWS = str(PARKED.limit + HEADER_ROOM)
FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

SETTINGS: dict[Kind, dict[str, str]] = {
    "events": FOREVER,
    "repartition": FOREVER,
    "retry": {**FOREVER, "max.message.bytes": CARRIES_RECORDS},
    "redrive": {**FOREVER, "max.message.bytes": CARRIES_RECORDS},
    "dlq": {**FOREVER, "max.message.bytes": CARRIES_RECORDS},
    "changelog": {
        "cleanup.policy": "compact",
        "delete.retention.ms": str(7 * 86_400_000),
        "max.message.bytes": CARRIES_ROWS,
    },
}

# without a limit of time or size: a worker may be away for longer than any
WAITING: dict[Kind, str] = {
    "retry": "records wait there for their next attempt, however long their worker is away",
    "redrive": "letters wait there on their way back, however long their worker is away",
    "dlq": "dead letters wait there for an operator, and their keys with them",
}

AskedT = TypeVar("AskedT")
AnswerT = TypeVar("AnswerT")

SET = AlterConfigOpType.SET
AT_LEAST = {"max.message.bytes", "delete.retention.ms"}


class Applied(msgspec.Struct, frozen=True):
    created: list[str]
    kept: list[str]


def apply(bootstrap: str, specs: list[TopicSpec], partitions: int, replication: int) -> Applied:
    """Create what is missing, and set what is set wrong; what is there must have the same partition count.

    When it returns, each partition that was created has a leader that answers.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
    kept = _counts(admin, bootstrap, specs)
    _check_counts(kept, partitions)
    missing = {spec.name: spec for spec in specs if spec.name not in kept}
    _create(admin, [NewTopic(name, partitions, replication, config=SETTINGS[missing[name].kind]) for name in missing])
    _wait_for_leaders(bootstrap, [TopicPartition(name, number) for name in missing for number in range(partitions)])
    # of all: one that another has just made otherwise was missing only for the broker that was asked
    _alter(admin, _wrong_settings(admin, specs))
    return Applied(sorted(missing), sorted(kept))


def _create(admin: AdminClient, new: list[NewTopic]) -> None:
    """Asked again while brokers come and go: the one that was asked may have made a topic, and not have said so."""
    until = time.monotonic() + REQUEST_S
    while new:
        asked = admin.create_topics(new, request_timeout=REQUEST_S)
        failed = {name: error for name, future in asked.items() if _is_trouble(error := future.exception(REQUEST_S))}
        new = [topic for topic in new if topic.topic in failed]
        for name, error in failed.items():
            if not passes(error) or time.monotonic() > until:
                raise TopicError(f"topic {name} could not be created: {error.args[0].str()}") from error
        if new:
            time.sleep(AGAIN_S)


def _is_trouble(error: BaseException | None) -> bool:
    is_there = isinstance(error, KafkaException) and error.args[0].name() == "TOPIC_ALREADY_EXISTS"
    return error is not None and not is_there


def _wait_for_leaders(bootstrap: str, created: list[TopicPartition]) -> None:
    """A topic is created before its leaders know of it: until then whoever uses it is refused."""
    until = time.monotonic() + LEADERS_S
    while created:
        # a new client each time: one that was told of no such topic remembers that for half a minute
        admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
        with contextlib.suppress(KafkaException):  # what is wrong is found out by the question itself
            admin.list_topics(timeout=LOOK_S)  # a client that knows no broker yet may think about the next for 3 s
        asked = admin.list_offsets(dict.fromkeys(created, OffsetSpec.latest()), request_timeout=REQUEST_S)
        failed = {place: future.exception(REQUEST_S) for place, future in asked.items()}
        created = [place for place, error in failed.items() if error is not None]
        if created and time.monotonic() > until:
            raise TopicError(f"{created[0]} has no leader yet ({failed[created[0]]}); look at the broker")
        if created:
            time.sleep(AGAIN_S)


def check(bootstrap: str, specs: list[TopicSpec], partitions: int) -> None:
    """A `TopicError` names what is missing, or has another partition count or settings that would lose something."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
    check_counts(admin, bootstrap, specs, partitions)
    until = time.monotonic() + LEARN_S
    while (wrong := _wrong_settings(admin, specs)) and time.monotonic() < until:
        time.sleep(AGAIN_S)
    if wrong:
        _check_retention(wrong)
        settings = "; ".join(f"{spec.name}: {_shown(needed)}" for spec, needed in wrong.items())
        raise TopicError(f"topics have other settings than they must ({settings}); run `orderflow topics apply`")


def _check_retention(wrong: dict[TopicSpec, dict[str, str]]) -> None:
    for spec, needed in wrong.items():
        if spec.kind in WAITING and needed.keys() & FOREVER.keys():
            raise RetentionError(
                f"{spec.name} may lose what waits in it ({spec.name}: {_shown(needed)} is what it must have): "
                f"{WAITING[spec.kind]}; run `orderflow topics apply`"
            )


def _shown(needed: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in needed.items())


def check_counts(admin: AdminClient, bootstrap: str, specs: list[TopicSpec], partitions: int) -> None:
    """A `TopicError` names what is missing or has another partition count."""
    counts = _counts(admin, bootstrap, specs)
    if missing := [spec.name for spec in specs if spec.name not in counts]:
        raise TopicError(f"topics are missing: {', '.join(missing)}; run `orderflow topics apply`")
    _check_counts(counts, partitions)


def let_delete(admin: AdminClient, specs: list[TopicSpec]) -> None:
    """Let all of these be emptied: Kafka deletes no records of a compacted topic. `keep_again` ends it (blocking)."""
    _alter(admin, {spec: {"cleanup.policy": "delete"} for spec in specs})


def keep_again(admin: AdminClient, specs: list[TopicSpec]) -> None:
    """See `let_delete` (blocking)."""
    _alter(admin, {spec: {"cleanup.policy": SETTINGS[spec.kind]["cleanup.policy"]} for spec in specs})


def empty(admin: AdminClient, specs: list[TopicSpec], partitions: int) -> None:
    """Delete every record that is there now; offsets go on from where they were (blocking)."""
    places = [TopicPartition(spec.name, number, OFFSET_END) for spec in specs for number in range(partitions)]
    # a broker learns of a changed policy a moment later
    _answers("POLICY_VIOLATION", lambda: admin.delete_records(places, request_timeout=REQUEST_S))


def _wrong_settings(admin: AdminClient, specs: list[TopicSpec]) -> dict[TopicSpec, dict[str, str]]:
    """What each topic must be set to and is not; those that are as they must be are left out."""
    wrong: dict[TopicSpec, dict[str, str]] = {}
    for spec, found in _settings(admin, specs).items():
        needed = {name: value for name, value in SETTINGS[spec.kind].items() if not _serves(name, found[name], value)}
        if spec.kind == "events" and int(found["max.message.bytes"]) > RECORD_LIMIT:
            needed["max.message.bytes"] = str(RECORD_LIMIT)  # what a retry topic carries
        if needed:
            wrong[spec] = needed
    return wrong


def _settings(admin: AdminClient, specs: list[TopicSpec]) -> dict[TopicSpec, dict[str, str]]:
    """Of topics that there are. Asked again for a while, since a broker may learn later than others of a new one."""
    asked = {ConfigResource(ConfigResource.Type.TOPIC, spec.name): spec for spec in specs}
    if not asked:
        return {}
    found = _answers("UNKNOWN_TOPIC_OR_PART", lambda: admin.describe_configs(list(asked), request_timeout=REQUEST_S))
    return {asked[topic]: {name: entry.value for name, entry in entries.items()} for topic, entries in found.items()}


def _answers(passing: str, ask: Callable[[], dict[AskedT, Future[AnswerT]]]) -> dict[AskedT, AnswerT]:
    """All of them; asked again for a while as long as one is this error."""
    until = time.monotonic() + REQUEST_S
    while True:
        try:
            return {asked: answer.result(REQUEST_S) for asked, answer in ask().items()}
        except KafkaException as error:
            if error.args[0].name() != passing or time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)


def _serves(name: str, found: str, value: str) -> bool:
    return int(found) >= int(value) if name in AT_LEAST else found == value


def _alter(admin: AdminClient, wrong: dict[TopicSpec, dict[str, str]]) -> None:
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            spec.name,
            incremental_configs=[ConfigEntry(name, value, incremental_operation=SET) for name, value in needed.items()],
        )
        for spec, needed in wrong.items()
    ]
    for future in admin.incremental_alter_configs(resources, request_timeout=REQUEST_S).values() if resources else ():
        future.result(REQUEST_S)


def _counts(admin: AdminClient, bootstrap: str, specs: list[TopicSpec]) -> dict[str, int]:
    try:
        known = admin.list_topics(timeout=LOOK_S).topics
    except KafkaException as error:
        raise unreachable(bootstrap, error) from error
    return {spec.name: len(known[spec.name].partitions) for spec in specs if spec.name in known}


def _check_counts(counts: dict[str, int], partitions: int) -> None:
    if wrong := {name: count for name, count in counts.items() if count != partitions}:
        raise TopicError(
            f"every topic must have {partitions} partitions, but: {wrong}; set ORDERFLOW_PARTITIONS to the count the "
            "topics were made with"
        )
