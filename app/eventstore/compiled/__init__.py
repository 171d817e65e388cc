"""The compiled part of the relay (`app.eventstore.sending` chooses). See `app.librdkafka`."""
