"""Brings the store of a task up to its changelogs: the rows of every committed checkpoint, and nothing else."""

import threading
import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from app.observability.log import logger
from app.streaming.errors import RestoreStalledError, TopicError
from app.streaming.kafka import moving
from app.streaming.kafka.clients import Clients
from app.streaming.kafka.progress import Progress
from app.streaming.store import Store

log = logger(__name__)

REQUEST_S = 15.0
STALLED_S = 60.0
UNKNOWN = {"_UNKNOWN_PARTITION", "UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"}
STALE_AFTER_S = 3.5 * 86_400  # half of a changelog's delete.retention.ms: older, a deleted row could rise again


class RestoreStoppedError(Exception):
    """The task was taken away while its restore ran."""


def restore(
    clients: Clients,
    store: Store,
    changelogs: dict[str, bytes],
    partition: int,
    progress: Progress,
    stop: threading.Event,
) -> None:
    """Replay each changelog (topic -> key prefix in the store) from the stored position to its end (blocking).

    The end is the one that counts open transactions, since a transaction that was decided but not yet marked must be
    waited for; what is applied is committed. A store that its changelogs cannot bring up to date is wiped first.
    """
    ends = changelog_ends(clients, changelogs, partition)
    if outdated := _outdated(store, ends):
        log.warning("store.wiped", path=str(store.path), reason=outdated)
        store.wipe()
    starts = {topic: max(low, store.positions.changelogs.get(topic, 0)) for topic, (low, _) in ends.items()}
    behind = {topic: (start, ends[topic][1]) for topic, start in starts.items() if start < ends[topic][1]}
    progress.begin(sum(end - start for start, end in behind.values()))
    if behind:
        consumer = clients.restorer()
        try:
            consumer.assign([TopicPartition(topic, partition, start) for topic, (start, _) in behind.items()])
            _replay(consumer, store, behind, changelogs, progress, stop)
        finally:
            consumer.close()
    store.write((), starts)


def _outdated(store: Store, ends: dict[str, tuple[int, int]]) -> str:
    """Why the changelogs cannot bring it up to date, if so."""
    at = store.positions.changelogs
    if time.time() - store.positions.updated_at > STALE_AFTER_S:
        return "older than its changelogs keep deletions"
    if any(at.get(topic, 0) > end for topic, (_, end) in ends.items()):
        return "ahead of its changelogs"
    if not store.is_new and any(at.get(topic, 0) < low for topic, (low, _) in ends.items()):
        return "its changelogs were emptied"
    return ""


def changelog_ends(clients: Clients, changelogs: Iterable[str], partition: int) -> dict[str, tuple[int, int]]:
    """(first, next) offset of each changelog, open transactions counted (blocking)."""
    asked = clients.raw_ends
    try:
        return {topic: moving.ends(asked, topic, partition) for topic in changelogs}
    except KafkaException as error:
        if error.args[0].name() in UNKNOWN:  # as one is, too, whose leader is being elected
            known = asked.list_topics(timeout=REQUEST_S).topics
            if missing := [topic for topic in changelogs if topic not in known]:
                raise TopicError(f"{', '.join(missing)} is missing; run `orderflow topics apply`") from error
        raise


def _replay(
    consumer: Consumer,
    store: Store,
    behind: dict[str, tuple[int, int]],
    changelogs: dict[str, bytes],
    progress: Progress,
    stop: threading.Event,
) -> None:
    at = {topic: start for topic, (start, _) in behind.items()}
    while any(at[topic] < end for topic, (_, end) in behind.items()):
        if stop.is_set():
            raise RestoreStoppedError
        count = replay(consumer, store, changelogs, at)
        progress.advance(count, sum(max(0, end - at[topic]) for topic, (_, end) in behind.items()))
        if progress.standing_s() > STALLED_S:
            raise RestoreStalledError(_stalled(behind, at))
    store.write((), at)


def replay(consumer: Consumer, store: Store, changelogs: dict[str, bytes], at: dict[str, int]) -> int:
    """Write what comes next, if anything does soon; `at` moves past it. Answers the number of rows."""
    first = consumer.poll(0.2)
    messages = [] if first is None else [first, *consumer.consume(5000, 0)]
    rows = _rows(messages, changelogs, at)
    if rows:
        store.write(rows, at)
    return len(rows)


def _stalled(behind: dict[str, tuple[int, int]], at: dict[str, int]) -> str:
    open_ones = [f"{topic} from {at[topic]} to {end}" for topic, (_, end) in behind.items() if at[topic] < end]
    return (
        f"the changelogs gave nothing for {STALLED_S:.0f} s ({', '.join(open_ones)}): the broker does not answer, or a "
        "transaction is open there that is not this task's; it is tried again, look at Kafka's log"
    )


def _rows(
    messages: list[Message], changelogs: dict[str, bytes], at: dict[str, int]
) -> list[tuple[bytes, bytes | None]]:
    """The rows of these messages; `at` moves past them, transaction markers included."""
    rows: list[tuple[bytes, bytes | None]] = []
    last: dict[str, Message] = {}
    for message in messages:
        topic, error = message.topic(), message.error()
        if error is None:
            rows.append((changelogs[topic] + message.key(), message.value()))
            last[topic] = message
        elif error.name() == "_PARTITION_EOF":
            at[topic] = max(at[topic], message.offset())
        else:
            raise KafkaException(error)
    at.update({topic: max(at[topic], message.offset() + 1) for topic, message in last.items()})
    return rows
