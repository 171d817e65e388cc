"""The order of all events on PostgreSQL: by the transaction that appended them; within it by order, then by version.

A transaction that is still in progress may have any number from the oldest one on, so nothing from there on is read.
An append takes its number after it has seen the version that it follows: those of an order ascend.
"""

from uuid import UUID

from app.eventstore.port import START
from app.eventstore.streams import MAX_VERSION, no_position

READ_ALL = """
select xid::text, order_id, version, payload from events
where (xid, order_id, version) > (%b::xid8, %b, %b) and xid < pg_snapshot_xmin(pg_current_snapshot())
order by events.xid, order_id, version
limit %b
"""
_BEFORE_ALL = ("0", UUID(int=0), 0)


def position(xid: str, order_id: UUID, version: int) -> str:
    return f"{xid}/{order_id}/{version}"


def place(after: str) -> tuple[str, UUID, int]:
    """The parts of a position; a `NoPositionError` when it is none."""
    if after == START:
        return _BEFORE_ALL
    try:
        xid, order_id, version = after.split("/")
        parts = str(int(xid)), UUID(order_id), int(version)
    except ValueError:
        raise no_position(after) from None
    if position(*parts) != after or not 0 <= int(xid) < 2**64 or not 0 < parts[2] <= MAX_VERSION:
        raise no_position(after)
    return parts
