"""Measurements, each a program of its own: `python -m bench.NAME`. Nothing here is asserted by a test."""
