"""Whether the peers on the JVM keep our rows: `python -m bench.peers.jvm check [--events N]`.

Runs each over a short log with every type of event of an order, some of them twice, and holds the rows of its changelog
topic to our own fold. Ends with 1 when one differs.
"""

import argparse
import sys
from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from app.domain.events import Event, OrderCancelled, OrderConfirmed
from app.projections.order_summaries import OrderSummary, fold
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.names import changelog_topic
from app.streaming.topology import TopicSpec
from bench.events import OrderLog, produce
from bench.peers import jvm
from bench.rows import Row
from bench.running import PARTITIONS, TABLE, broker, run

ORDERS = 1000
PEERS = (
    Row(name="streams", title="Kafka Streams, at least once", program="kafka_streams"),
    Row(name="streams-exactly-once", title="Kafka Streams, exactly once", program="kafka_streams", exactly_once=True),
    Row(name="flink", title="Flink, chained", program="flink"),
    Row(name="flink-two", title="Flink, parallelism 2", program="flink", parallelism=2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check"])
    parser.add_argument("--events", type=int, default=20_000)
    asked, commands, wrong = parser.parse_args(), jvm.commands(), 0
    with broker() as bootstrap:
        count = produce(bootstrap, _log(asked.events))
        expected = _folded(bootstrap)
        for peer in PEERS:
            command, changelog = commands[peer.program], changelog_topic(peer.name, TABLE)
            if peer.program == "flink":  # its rows are on no topic else
                topics.apply(bootstrap, [TopicSpec(changelog, "changelog")], PARTITIONS, 1)
                command = [*command, "--emit"]
            run(peer, command, bootstrap, peer.name, count)
            rows = _rows(bootstrap, changelog)
            differing = sum(rows.get(key) != row for key, row in expected.items()) + len(rows.keys() - expected.keys())
            sys.stdout.write(f"{peer.title}: {len(rows)} rows, {differing} differ from ours\n")
            wrong += differing
    sys.exit(1 if wrong else 0)


def _log(count: int) -> Iterator[Event]:
    """`count` events and then some: at their end a part of the orders is confirmed and a part cancelled."""
    latest: dict[str, Event] = {}
    for index, event in enumerate(OrderLog(ORDERS).interleaved(count)):
        latest[event.order_id] = event
        yield event
        if index % 10 == 0:
            yield event  # as a relay would that does not know whether it has sent it
    for index, event in enumerate(latest.values()):
        after = {name: getattr(event, name) for name in Event.__struct_fields__} | {"version": event.version + 1}
        if index % 3 == 0:
            yield OrderConfirmed(**after, customer_id="c", currency="GBP", total_minor=1)
        elif index % 3 == 1:
            yield OrderCancelled(**after, customer_id="c", reason="no longer wanted: größer")


def _folded(bootstrap: str) -> dict[str, OrderSummary]:
    """Our rows of the log."""
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    rows: dict[str, OrderSummary] = {}
    for key, value in _records(bootstrap, ORDERS_EVENTS):
        row = fold(rows.get(key), codec.decode(value))
        if row is not None:
            rows[key] = row
    return rows


def _rows(bootstrap: str, changelog: str) -> dict[str, OrderSummary]:
    """The last row of every key."""
    decode = msgspec.msgpack.Decoder(OrderSummary).decode
    return {key: decode(value) for key, value in _records(bootstrap, changelog)}


def _records(bootstrap: str, topic: str) -> Iterator[tuple[str, bytes]]:
    """What is committed, to the end of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "check",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    ended = 0
    while ended < PARTITIONS:
        message = consumer.poll(30.0)
        if message is None or (message.error() and message.error().code() != KafkaError._PARTITION_EOF):
            raise RuntimeError(f"{topic} cannot be read: {message.error() if message else 'no answer'}")
        if message.error():
            ended += 1
        else:
            yield message.key().decode(), message.value()
    consumer.close()


if __name__ == "__main__":
    main()
