"""The settings of the connector: with these, Debezium publishes what the relay would, to the byte."""

from collections.abc import Mapping
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from app.errors import SetupError

PUBLICATION: Final = "outbox_capture"
HEARTBEAT_MS: Final = 1_000
# the headers that are the same for every event; see `app.serde.cloudevents` for their order
CONSTANT = {"ce_source": "/orderflow/orders", "content-type": "application/avro"}
# column -> header, in the order of the headers
PLACED = {
    # constant too; but Connect takes a literal 1.0 for a number, which goes out as 1
    "ce_specversion": "ce_specversion",
    "id": "ce_id",
    "type": "ce_type",
    "ce_time": "ce_time",
    "aggregateid": "ce_subject",
    "traceparent": "traceparent",
}
OF_KAFKA: Final = "org.apache.kafka.connect"
RETRIED_MS: Final = 1_000


def heartbeat_topic(name: str) -> str:
    """Where the connector says how far it is, also when the outbox rests."""
    return f"__debezium-heartbeat.{name}"


def connector(dsn: str, name: str, password: str) -> dict[str, str]:
    """`name` is that of role, slot, topic prefix and connector."""
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        # an event and the position behind it in one Kafka transaction
        "exactly.once.support": "required",
        "transaction.boundary": "poll",
        **_database(conninfo_to_dict(dsn), name, password),
        "topic.prefix": name,
        "table.include.list": "public.outbox",
        "skipped.operations": "u,d,t",
        "tombstones.on.delete": "false",
        "extended.headers.enabled": "false",
        "poll.interval.ms": "10",
        # a busy database whose outbox rests must not keep WAL
        "heartbeat.interval.ms": str(HEARTBEAT_MS),
        "heartbeat.action.query": "select pg_logical_emit_message(true, 'heartbeat', '')",
        "message.prefix.exclude.list": "heartbeat",
        "retriable.restart.connector.wait.ms": str(RETRIED_MS),
        "key.converter": f"{OF_KAFKA}.storage.StringConverter",
        "header.converter": f"{OF_KAFKA}.storage.StringConverter",
        # values are bytes already; those of heartbeats are not
        "value.converter": "io.debezium.converters.BinaryDataConverter",
        "value.converter.delegate.converter.type": f"{OF_KAFKA}.json.JsonConverter",
        "value.converter.delegate.converter.type.schemas.enable": "false",
        "producer.override.compression.type": "lz4",
        "producer.override.max.request.size": "1200000",
        **_transforms(name),
    }


def _database(given: Mapping[str, str | int | None], name: str, password: str) -> dict[str, str]:
    host = str(given.get("host") or "")
    if not host or host.startswith("/") or "," in host:
        raise SetupError(
            f"Debezium connects to one host over TCP, not to {host or 'a socket'!r}; mend ORDERFLOW_POSTGRES"
        )
    return {
        "database.hostname": host,
        "database.port": str(given.get("port") or 5432),
        "database.dbname": str(given.get("dbname") or given.get("user")),
        "database.user": name,
        "database.password": password,
        "plugin.name": "pgoutput",
        "slot.name": name,
        "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled",
        # the events from before are published
        "snapshot.mode": "no_data",
    }


def _transforms(name: str) -> dict[str, str]:
    """Constant headers first, then the router's; then its own `id`, which no event has, is taken away."""
    constant = {f"constant{nth}": header for nth, header in enumerate(CONSTANT)}
    settings = {
        "transforms": ",".join([*constant, "router", "clean"]),
        "predicates": "is_row",
        "predicates.is_row.type": f"{OF_KAFKA}.transforms.predicates.TopicNameMatches",
        "predicates.is_row.pattern": rf"{name}\.public\.outbox",
        "transforms.router.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.router.predicate": "is_row",
        "transforms.router.route.by.field": "aggregatetype",
        "transforms.router.route.topic.replacement": "${routedByValue}.events",
        "transforms.router.table.field.event.key": "aggregateid",
        "transforms.router.table.fields.additional.placement": ",".join(
            f"{column}:header:{header}" for column, header in PLACED.items()
        ),
        "transforms.clean.type": f"{OF_KAFKA}.transforms.DropHeaders",
        "transforms.clean.headers": "id",
    }
    for nth, header in constant.items():
        settings |= {
            f"transforms.{nth}.type": f"{OF_KAFKA}.transforms.InsertHeader",
            f"transforms.{nth}.predicate": "is_row",
            f"transforms.{nth}.header": header,
            f"transforms.{nth}.value.literal": CONSTANT[header],
        }
    return settings
