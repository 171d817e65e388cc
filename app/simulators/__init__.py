"""Parties of the outside to try the system against: a payment provider and a carrier, each a process of its own."""
