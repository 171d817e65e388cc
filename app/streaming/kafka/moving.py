"""What passes by itself while a leader or a coordinator moves, and asking a partition's ends meanwhile."""

import contextlib
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

REQUEST_S = 15.0
ASK_S = 3.0  # a request to a leader that is gone may wait for it as long as it is let
ELECTION_S = 2.0
LOOK_S = 0.1
NO_LEADER = {
    "_UNKNOWN_PARTITION",  # as the client calls a partition, too, whose leader is being elected
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_FOR_PARTITION",
    "OFFSET_NOT_AVAILABLE",  # a new leader does not know yet what its followers hold
    "UNKNOWN_TOPIC_OR_PART",
}
GONE = {
    "_DESTROY_BROKER",  # not in the cluster any more, for all that the client knows
    "_TIMED_OUT",
    "_TRANSPORT",
}
AWAY = {
    *GONE,
    "_ALL_BROKERS_DOWN",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "REQUEST_TIMED_OUT",
}


def passes(trouble: Exception) -> bool:
    """Whether it ends once the cluster has settled, with nobody else at work on the task."""
    if isinstance(trouble, KafkaException):
        error = trouble.args[0]
        return bool(error.retriable()) or error.name() in NO_LEADER | AWAY
    return isinstance(trouble, TimeoutError)


def ends(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """(first, next) offset of a partition (blocking).

    An election is waited for, `ELECTION_S` at most, and a leader that does not answer, `REQUEST_S` at most. A client
    keeps to what it was told of a leader for minutes, unless all topics are asked for anew.
    """
    began = time.monotonic()
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), ASK_S)
        except KafkaException as error:
            if time.monotonic() - began >= _patience_s(error):
                raise
        else:
            return int(low), int(high)
        with contextlib.suppress(KafkaException):
            consumer.list_topics(timeout=ASK_S)
        time.sleep(LOOK_S)


def _patience_s(error: KafkaException) -> float:
    name = error.args[0].name()
    return ELECTION_S if name in NO_LEADER else REQUEST_S if name in GONE else 0.0
