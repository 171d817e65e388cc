"""What passes by itself while a leader or a coordinator moves, and asking a partition's ends meanwhile."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

REQUEST_S = 15.0
ELECTION_S = 2.0
LOOK_S = 0.1
NO_LEADER = {
    "_UNKNOWN_PARTITION",  # as the client calls a partition, too, whose leader is being elected
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_FOR_PARTITION",
    "OFFSET_NOT_AVAILABLE",  # a new leader does not know yet what its followers hold
    "UNKNOWN_TOPIC_OR_PART",
}
AWAY = {
    "_ALL_BROKERS_DOWN",
    "_TIMED_OUT",
    "_TRANSPORT",
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
    """(first, next) offset of a partition; an election is waited for, `ELECTION_S` at most (blocking).

    A client that was told of no leader keeps to that for half a minute, unless all topics are asked for anew.
    """
    deadline = time.monotonic() + ELECTION_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), REQUEST_S)
        except KafkaException as error:
            if error.args[0].name() not in NO_LEADER or time.monotonic() > deadline:
                raise
            consumer.list_topics(timeout=REQUEST_S)
            time.sleep(LOOK_S)
        else:
            return int(low), int(high)
