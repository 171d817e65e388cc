"""The compiled decoder: Avro bytes to Python values and to typed events, without a step in between.

An optional part: it exists where a C compiler was at hand when the product was installed (`app.serde.decoder` chooses).
It only says yes: what it is not sure of it refuses, and the codec lets fastavro decide. So the two never differ.
"""
