"""The compiled part of a worker's clients (`app.streaming.kafka.client` chooses): takes what a client has fetched, and
gives it rows to send, without an object for each. See `app.librdkafka`."""
