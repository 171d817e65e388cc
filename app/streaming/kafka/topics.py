"""Creates the topics that topologies declare, and checks them: a worker never makes one."""

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from app.streaming.errors import TopicError
from app.streaming.topology import Kind, TopicSpec

REQUEST_S = 30.0
VALUE_LIMIT = 1_048_588  # Kafka's default max.message.bytes
HEADER_ROOM = 64 * 1024  # what a retry or a dead letter adds to the record that it carries
FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

SETTINGS: dict[Kind, dict[str, str]] = {
    "events": FOREVER,
    "repartition": FOREVER,
    "retry": {**FOREVER, "max.message.bytes": str(VALUE_LIMIT + HEADER_ROOM)},
    "dlq": {**FOREVER, "max.message.bytes": str(VALUE_LIMIT + HEADER_ROOM)},
    "changelog": {"cleanup.policy": "compact", "delete.retention.ms": str(7 * 86_400_000)},
}


class Applied(msgspec.Struct, frozen=True):
    created: list[str]
    kept: list[str]


def apply(bootstrap: str, specs: list[TopicSpec], partitions: int, replication: int) -> Applied:
    """Create what is missing; what is there must have the same partition count."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    kept = _counts(admin, specs)
    _check_counts(kept, partitions)
    missing = {spec.name: spec for spec in specs if spec.name not in kept}
    new = [NewTopic(name, partitions, replication, config=SETTINGS[spec.kind]) for name, spec in missing.items()]
    for name, future in admin.create_topics(new, request_timeout=REQUEST_S).items() if new else ():
        try:
            future.result(REQUEST_S)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise TopicError(f"topic {name} could not be created: {error.args[0].str()}") from error
    return Applied(sorted(missing), sorted(kept))


def check(bootstrap: str, specs: list[TopicSpec], partitions: int) -> None:
    """A `TopicError` names what is missing or has another partition count."""
    counts = _counts(AdminClient({"bootstrap.servers": bootstrap}), specs)
    if missing := [spec.name for spec in specs if spec.name not in counts]:
        raise TopicError(f"topics are missing: {', '.join(missing)}; run `orderflow topics apply`")
    _check_counts(counts, partitions)


def _counts(admin: AdminClient, specs: list[TopicSpec]) -> dict[str, int]:
    known = admin.list_topics(timeout=REQUEST_S).topics
    return {spec.name: len(known[spec.name].partitions) for spec in specs if spec.name in known}


def _check_counts(counts: dict[str, int], partitions: int) -> None:
    if wrong := {name: count for name, count in counts.items() if count != partitions}:
        raise TopicError(
            f"every topic must have {partitions} partitions, but: {wrong}; set ORDERFLOW_PARTITIONS to the count the "
            "topics were made with"
        )
