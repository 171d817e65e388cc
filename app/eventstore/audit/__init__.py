"""Holds the topic against the store, order by order, and makes good what differs."""
