"""Who publishes the outbox changes sides, under load: nothing is lost, nothing comes twice, no order is broken.

Each step is safe to repeat, and what was reached stands in PostgreSQL: a handover that was killed goes on where it was
when it is asked for again, in either direction.
"""

import time
from collections.abc import Callable
from typing import Final

from app.cdc import database, publishing
from app.cdc.capture import Capture
from app.errors import RefusedError, TransientError
from app.eventstore.outbox import Connection

LOOK_S: Final = 0.05
RELAY_LACKS: Final = "the relay has not published all that is its; start `orderflow relay`"


class NotReadyError(RefusedError):
    """The other side could not take over; nothing was changed."""


class HandoverWaitsError(TransientError):
    """One side has not come to its end within the limit. What was begun stands: ask for it again."""


class Handover:
    """`say` hears each step before it is taken."""

    def __init__(self, connection: Connection, capture: Capture, limit_s: float, say: Callable[[str], None]) -> None:
        self._connection, self._capture = connection, capture
        self._limit_s, self._say = limit_s, say

    def to_cdc(self) -> None:
        """Debezium publishes when it returns."""
        with publishing.alone(self._connection):
            if self._state() == "to_relay":
                self._end_capture()
            if self._state() == "relay":
                self._begin_to_cdc()
            if self._state() == "to_cdc":
                self._begin_capture()

    def to_relay(self) -> None:
        """The relay publishes when it returns."""
        with publishing.alone(self._connection):
            if self._state() == "relay":
                self._take_back()
            if self._state() == "to_cdc":
                self._begin_capture()
            if self._state() == "cdc":
                self._say("marking where capture ends")
                publishing.mark_to_relay(self._connection)
            if self._state() == "to_relay":
                self._end_capture()

    def to_relay_without_connect(self) -> None:
        """The same when Connect, or its slot, is lost: what had still to be captured is published here."""
        with publishing.alone(self._connection):
            if self._state() == "relay":
                return
            if self._state() == "to_cdc":
                self._say("waiting for the relay to end")
                self._wait(self._relay_has_ended, RELAY_LACKS)
            self._say("shutting the connector out")
            self._capture.shut_out()
            if self._state() != "to_relay":
                self._say("marking where capture ends")
                publishing.mark_to_relay(self._connection)
            self._say("publishing what was not captured")
            count = self._capture.publish_missing()
            self._say(f"{count} events were not captured; starting the relay")
            publishing.settle_relay(self._connection)

    def _state(self) -> publishing.State:
        return publishing.read(self._connection).state

    def _begin_to_cdc(self) -> None:
        slot = database.slot_of(self._connection, self._capture.name)
        if slot is None or slot.lost:
            raise NotReadyError("there is no slot to capture from; run `orderflow cdc up` first")
        if blocked := publishing.blocked(self._connection):
            raise NotReadyError(f"{blocked} orders are blocked; `orderflow outbox blocked` tells why, mend that first")
        self._say("trying the connector")
        self._capture.resume()
        # it would publish what is behind the marker before the relay has published what is below
        self._say("stopping the connector")
        self._capture.stop()
        self._say("marking where the relay ends")
        publishing.mark_to_cdc(self._connection)

    def _begin_capture(self) -> None:
        self._say("waiting for the relay to end")
        self._wait(self._relay_has_ended, RELAY_LACKS)
        self._say("starting the connector")
        self._capture.resume()
        publishing.settle_cdc(self._connection)

    def _relay_has_ended(self) -> bool:
        return publishing.left_to_relay(self._connection) == 0

    def _end_capture(self) -> None:
        self._say("waiting for capture to end")
        lsn = publishing.read(self._connection).marker_lsn
        self._capture.resume()
        self._wait(
            lambda: self._has_captured(lsn),
            "the connector has not published all that is its; look at `orderflow cdc status`",
        )
        self._say("starting the relay")
        publishing.settle_relay(self._connection)

    def _has_captured(self, lsn: str) -> bool:
        database.nudge(self._connection)
        return database.has_captured(self._connection, self._capture.name, lsn)

    def _take_back(self) -> None:
        """A handover that ended before its marker may have left the connector stopped: its slot would keep WAL."""
        if self._capture.connect.status() is not None:
            self._capture.resume()

    def _wait(self, done: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + self._limit_s
        while not done():
            if time.monotonic() > until:
                raise HandoverWaitsError(f"{otherwise}. The handover stands; ask for it again")
            time.sleep(LOOK_S)
