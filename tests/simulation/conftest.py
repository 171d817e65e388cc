"""Thousands of retries stay silent."""

from tests.topology.conftest import only_errors_are_logged as only_errors_are_logged
