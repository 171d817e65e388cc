"""The compiled part of a client: takes what it has fetched, and gives it rows to send, without an object for each.

An optional part: it exists where a C compiler was at hand when the product was installed (`app.streaming.kafka.client`
chooses), and for a client that it knows.

The functions are librdkafka's public ones, from the library that confluent-kafka has loaded. What is private is this:
a client begins with the pointer to its handle, and a message that was sent without a state of confluent-kafka's own
has no callback. The size of a client tells whether it is one that is known; with another, nothing here can be imported.
"""
