"""Does what has to be done now and then, beside the relay."""

import threading
from collections.abc import Callable
from typing import Final

import psycopg

from app.errors import TransientError
from app.observability.log import logger

PAUSE_S: Final = 3600.0

log = logger(__name__)


def keep_house(stop: threading.Event, *jobs: Callable[[threading.Event], object]) -> None:
    """Each job at once and then every hour, until `stop` is set; one that fails is tried again then."""
    while True:
        for job in jobs:
            try:
                job(stop)
            except (psycopg.Error, TransientError) as error:
                log.warning("housekeeping.failed", job=job.__qualname__, error=str(error))
        if stop.wait(PAUSE_S):
            return
