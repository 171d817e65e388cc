"""The compiled intake: takes what a client has fetched without an object for each message.

An optional part: it exists where a C compiler was at hand when the product was installed (`app.streaming.kafka.intake`
chooses), and for a client that it knows.
"""
