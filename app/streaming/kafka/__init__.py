"""Running tasks on Kafka with librdkafka: fetch, checkpoint, restore, reset. It knows no Faust."""
