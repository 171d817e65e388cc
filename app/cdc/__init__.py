"""Change data capture: Debezium publishes the outbox as the relay does, and one can take over from the other."""
