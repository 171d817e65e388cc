"""Who publishes the outbox, as it stands in PostgreSQL, and the steps from one side to the other.

A marker is a transaction in which no append is in progress. Every append is below it or above it, by transaction id as
the relay reads, and by commit as Debezium reads. There the relay stops or starts by a bound on ids, and Debezium by the
publication, which PostgreSQL reads as it was at the time of each change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, LiteralString

import msgspec
import psycopg

from app.errors import TransientError
from app.eventstore.outbox import NOTIFY, Connection
from app.eventstore.unpublished import asking

State = Literal["relay", "to_cdc", "cdc", "to_relay"]

# as in the trigger of the table `events`
APPENDS: Final = 720_005
HANDOVER: Final = 720_006
ALONE: LiteralString = "select pg_try_advisory_lock(%s)"
NOT_ALONE: LiteralString = "select pg_advisory_unlock(%s)"

READ: LiteralString = """
select state, relay_until::text, marker::text, marker_lsn::text, marked_at::text from publishing
"""
# the table's lock first: it may have to wait for a vacuum, which must not hold up appends
LOCK_TABLE: LiteralString = "lock table outbox in share update exclusive mode"
LOCK_APPENDS: LiteralString = "select pg_advisory_xact_lock(%s)"
LIMIT: LiteralString = "set local lock_timeout = '2s'"
MARK_TO_CDC: LiteralString = """
update publishing set state = 'to_cdc', relay_until = pg_current_xact_id(), marker = pg_current_xact_id(),
    marker_lsn = pg_current_wal_insert_lsn(), marked_at = now()
"""
MARK_TO_RELAY: LiteralString = """
update publishing set state = 'to_relay', marker = pg_current_xact_id(), marker_lsn = pg_current_wal_insert_lsn(),
    marked_at = now()
"""
BEGIN_CAPTURE: LiteralString = "alter publication outbox_capture add table outbox"
END_CAPTURE: LiteralString = "alter publication outbox_capture drop table outbox"
SETTLE_CDC: LiteralString = "update publishing set state = 'cdc'"
SETTLE_RELAY: LiteralString = """
update publishing set state = 'relay', relay_from = marker, relay_until = '18446744073709551615'
"""
# an order that is blocked has events that are the relay's
LEFT = asking("""
select (select count(*) from outbox_blocked) + count(*) from {mine} mine, relay_position p
where exists (select from outbox o where {is_unpublished})
""")
BLOCKED: LiteralString = "select count(*) from outbox_blocked"


class HandoverRunsError(TransientError):
    """Another process is at it."""


class AppendHangsError(TransientError):
    """There was no moment without an append within the limit."""


class Publishing(msgspec.Struct, frozen=True):
    """`relay` and `cdc` are at rest; from `to_cdc` and `to_relay` a handover goes on where it was ended."""

    state: State
    relay_until: str
    marker: str
    marker_lsn: str
    marked_at: str


def read(connection: Connection) -> Publishing:
    row = connection.execute(READ).fetchone()
    assert row is not None, "the migration puts it there"  # noqa: S101
    return Publishing(*row)


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """No other handover runs meanwhile; a `HandoverRunsError` when one does."""
    (got,) = connection.execute(ALONE, (HANDOVER,)).fetchone() or (False,)
    if not got:
        raise HandoverRunsError("another handover is under way; `orderflow cdc status` shows where it stands")
    try:
        yield
    finally:
        connection.execute(NOT_ALONE, (HANDOVER,))


def mark_to_cdc(connection: Connection) -> None:
    """The relay ends here, and what is captured begins. Appends wait for the few milliseconds that it takes."""
    _mark(connection, BEGIN_CAPTURE, MARK_TO_CDC)


def mark_to_relay(connection: Connection) -> None:
    """What is captured ends here. The relay does not begin before `settle_relay`."""
    _mark(connection, END_CAPTURE, MARK_TO_RELAY)


def _mark(connection: Connection, capture: LiteralString, state: LiteralString) -> None:
    try:
        with connection.transaction():
            connection.execute(LIMIT)
            connection.execute(LOCK_TABLE)
            connection.execute(LOCK_APPENDS, (APPENDS,))
            connection.execute(capture)
            connection.execute(state)
    except psycopg.errors.LockNotAvailable as error:
        raise AppendHangsError(
            f"{error}: an append, or a vacuum, does not end; nothing was changed, so ask again"
        ) from None


def settle_cdc(connection: Connection) -> None:
    connection.execute(SETTLE_CDC)


def settle_relay(connection: Connection) -> None:
    """The relay publishes from the marker on."""
    connection.execute(SETTLE_RELAY)
    connection.execute(NOTIFY)


def left_to_relay(connection: Connection) -> int:
    """How many shards the relay has not published up to its end, and how many orders wait behind what Kafka refuses."""
    (left,) = connection.execute(LEFT).fetchone() or (0,)
    return int(left)


def blocked(connection: Connection) -> int:
    """How many orders wait behind an event that Kafka refuses."""
    (count,) = connection.execute(BLOCKED).fetchone() or (0,)
    return int(count)
