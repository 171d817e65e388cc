"""The parts of `orderflow dlq`."""
