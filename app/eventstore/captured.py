"""Waits for change data capture, where that publishes the outbox: what is committed by now is in the topic then."""

import time
from typing import Final, LiteralString

from app.errors import TransientError
from app.eventstore.outbox import Connection

LIMIT_S: Final = 60.0
LOOK_S: Final = 0.1

STATE: LiteralString = "select state, pg_current_wal_insert_lsn()::text from publishing"
# a slot is told of what is in Kafka, not before
CAPTURED: LiteralString = """
select coalesce(bool_and(confirmed_flush_lsn >= %s::pg_lsn), false) from pg_replication_slots
where database = current_database() and slot_type = 'logical'
"""


class CaptureWaitsError(TransientError):
    """The connector has not published what is committed."""


def wait_until_captured(connection: Connection) -> None:
    """Returns at once while the relay publishes; a `CaptureWaitsError` when the connector does not go on."""
    state, lsn = connection.execute(STATE).fetchone() or ("relay", "0/0")
    until = time.monotonic() + LIMIT_S
    while state != "relay" and not _captured(connection, lsn):
        if time.monotonic() > until:
            raise CaptureWaitsError(
                f"the connector has not published what was committed {LIMIT_S:.0f} s ago: look at "
                "`orderflow cdc status`, then try again"
            )
        time.sleep(LOOK_S)


def _captured(connection: Connection, lsn: str) -> bool:
    (captured,) = connection.execute(CAPTURED, (lsn,)).fetchone() or (False,)
    return bool(captured)
