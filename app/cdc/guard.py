"""Watches the replication slot: it keeps WAL while nobody reads it, and is lost when that grows past a limit.

The limit (`max_slot_wal_keep_size`) keeps the disk from filling up; the alert comes at half of it.
"""

import threading
import time
from collections.abc import Callable, Iterator
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
        self._told: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            try:
                self.look()
            except (psycopg.Error, OrderflowError) as error:
                log.warning("cdc.guard_cannot_look", error=str(error))

    def look(self) -> None:
        """Sets the metrics, and tells of each trouble that was not told yet."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            name = database.name_of(connection)
            slot = database.slot_of(connection, name)
            _measure(slot)
            if slot is not None and slot.active:
                database.nudge(connection)
            told, self._told = self._told, set()
            for trouble in self._troubles(connection, slot):
                if trouble not in told:
                    self._tell(name, trouble)
                self._told.add(trouble)

    def _tell(self, name: str, trouble: str) -> None:
        log.error("cdc.slot", slot=name, trouble=trouble)
        # a trouble of another day is another alert, also for who knows this one
        cause = {"slot": name, "trouble": trouble, "since": str(int(time.time() // 3600))}
        details = {"go_on": "see orderflow cdc status"}
        self._alert(Alert(name=ALERT, cause=cause, details=details, raised_at=time.time_ns() // 1000))

    def _troubles(self, connection: Connection, slot: Slot | None) -> Iterator[str]:
        if slot is not None and slot.lost:
            yield "lost"
        elif self._is_away(connection, slot):
            yield f"{'is gone' if slot is None else 'nobody reads it'}, so nothing is published"
        # at last: where the limit was taken away, this raises
        if slot is not None and (slot.kept_bytes or 0) > database.check_limits(connection) / 2:
            yield "keeps more than half of max_slot_wal_keep_size"

    def _is_away(self, connection: Connection, slot: Slot | None) -> bool:
        """Whether nobody has read the slot for long, which is nobody's trouble while the relay publishes."""
        if publishing.read(connection).state == "relay" or (slot is not None and slot.active):
            self._away_since = None
            return False
        if self._away_since is None:
            self._away_since = time.monotonic()
        return time.monotonic() - self._away_since > AWAY_S


def _measure(slot: Slot | None) -> None:
    CAPTURE_ACTIVE.set(bool(slot and slot.active))
    CAPTURE_BEHIND.set(slot.behind_bytes or 0 if slot else 0)
    CAPTURE_KEPT.set(slot.kept_bytes or 0 if slot else 0)
