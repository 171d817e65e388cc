"""Alerts: what a person has to see now. A port, and adapters for the log, a webhook and a topic."""
