"""How a transactional producer takes over from all earlier ones of its id."""

from confluent_kafka import Producer


def begin_ownership(producer: Producer, topic: str, limit_s: float) -> None:
    """Fence the earlier ones and end what they left open (blocking); `KafkaException` when Kafka does not answer.
    `topic` is one that it will send to.

    A producer that looks for its coordinator without a connection looks again half a second later: a new one is made to
    connect, by questions that cost little. The first teaches it the brokers, and ends the connection that it came by.
    """
    for _ in range(2):
        producer.list_topics(topic, limit_s)
    producer.init_transactions(limit_s)
