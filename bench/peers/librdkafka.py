"""No peer but a floor: a bare consumer that reads a topic to its end and drops what it reads."""

from confluent_kafka import Consumer, KafkaError, TopicPartition

from bench.peers.meter import Meter
from bench.peers.work import arguments

BATCH = 5000
SETTINGS = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "queued.min.messages": 200_000,
    "fetch.message.max.bytes": 8_000_000,
    "fetch.queue.backoff.ms": 20,  # the default, 1000, starves a fast consumer
}


def main() -> None:
    asked = arguments()
    meter = Meter(asked.events)
    consumer = Consumer({"bootstrap.servers": asked.bootstrap, "group.id": asked.group, **SETTINGS})
    open_partitions = set(consumer.list_topics(asked.topic, 15.0).topics[asked.topic].partitions)
    consumer.assign([TopicPartition(asked.topic, partition, 0) for partition in open_partitions])
    meter.begin()
    while open_partitions:
        messages = consumer.consume(BATCH, 0.05)
        told = [message for message in messages if message.error()]
        open_partitions -= {m.partition() for m in told if m.error().code() == KafkaError._PARTITION_EOF}
        if len(messages) > len(told):
            meter.add(len(messages) - len(told))
    meter.report()


main()
