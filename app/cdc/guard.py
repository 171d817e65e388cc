"""Watches the replication slot: it keeps WAL while nobody reads it, and is lost when that grows past a limit.

The limit (`max_slot_wal_keep_size`) keeps the disk from filling up; the alert comes at half of it.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg

from app.alerts.port import Alert
from app.cdc import database, publishing
from app.cdc.database import Slot
from app.errors import OrderflowError
from app.eventstore.outbox import Connection
from app.eventstore.session import conninfo
from app.observability.log import logger
from app.observability.metrics import CAPTURE_ACTIVE, CAPTURE_BEHIND, CAPTURE_KEPT

LOOK_S: Final = 10.0
# a connector that starts again is away for less
AWAY_S: Final = 30.0
ALERT: Final = "cdc.slot"

log = logger(__name__)


class SlotGuard:
    """Looks every few seconds until `stop` is set. A trouble is told once while it lasts: by `alert` and the log."""

    def __init__(self, dsn: str, alert: Callable[[Alert], None]) -> None:
        self._conninfo = conninfo(dsn, "orderflow-slot-guard", statement_timeout="5s")
        self._alert = alert
        self._away_since: float | None = None
        self._told = ""

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            try:
                self.look()
            except (psycopg.Error, OrderflowError) as error:
                log.warning("cdc.guard_cannot_look", error=str(error))

    def look(self) -> None:
        """Sets the metrics, and tells of a trouble that was not told yet."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            name = database.name_of(connection)
            slot = database.slot_of(connection, name)
            _measure(slot)
            trouble = "" if slot is None else self._trouble(connection, slot)
            if slot is not None and slot.active:
                database.nudge(connection)
        if trouble and trouble != self._told:
            log.error("cdc.slot", slot=name, trouble=trouble)
            # a trouble of another day is another alert, also for who knows this one
            cause = {"slot": name, "trouble": trouble, "since": str(int(time.time() // 3600))}
            details = {"go_on": "see orderflow cdc status"}
            self._alert(Alert(name=ALERT, cause=cause, details=details, raised_at=time.time_ns() // 1000))
        self._told = trouble

    def _trouble(self, connection: Connection, slot: Slot) -> str:
        publishes = publishing.read(connection).state != "relay"
        if slot.active:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = time.monotonic()
        if slot.lost:
            return "lost"
        if slot.kept_bytes is not None and slot.kept_bytes > database.check_limits(connection) / 2:
            return "keeps more than half of max_slot_wal_keep_size"
        if publishes and self._away_since is not None and time.monotonic() - self._away_since > AWAY_S:
            return "nobody reads it, so nothing is published"
        return ""


def _measure(slot: Slot | None) -> None:
    CAPTURE_ACTIVE.set(bool(slot and slot.active))
    CAPTURE_BEHIND.set(slot.behind_bytes or 0 if slot else 0)
    CAPTURE_KEPT.set(slot.kept_bytes or 0 if slot else 0)
