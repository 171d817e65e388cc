from confluent_kafka import Producer

from app.streaming.kafka.messages import StoredRows

def send_rows(producer: Producer, topic: str, partition: int, rows: StoredRows) -> StoredRows: ...
