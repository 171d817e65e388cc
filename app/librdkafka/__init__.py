"""What the engine and the relay share of librdkafka: how clients connect, how a transactional producer takes over,
and what is common to the compiled parts that send and take records below confluent-kafka's client.

Each of these parts is optional: it exists where a C compiler was at hand when the product was installed, and for a
client that it knows.

The functions are librdkafka's public ones, from the library that confluent-kafka has loaded. What is private is this:
a client begins with the pointer to its handle, and a message that was sent without a state of confluent-kafka's own
has no callback. The size of a client tells whether it is one that is known; with another, none of these parts can be
imported.
"""

from typing import Final, Literal, TypeAlias

ClientName: TypeAlias = Literal["compiled", "plain"]

# asks for one of them
VARIABLE: Final = "ORDERFLOW_CLIENT"

# half of it is what a new client waits between its first connections: the default is 100
CONNECTS_SOON: Final = {"reconnect.backoff.ms": 20}
