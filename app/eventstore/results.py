"""Removes the results of commands that nobody will repeat any more: of orders that have ended, past an age.

A repeated command of such an order is refused by the rules, since the order has ended. While an order takes commands,
all its results are kept, whatever their age: a repeat would have effect twice.
"""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, LiteralString

from app.eventstore.housekeeping import ask, at_work
from app.eventstore.session import conninfo
from app.observability.log import logger
from app.observability.metrics import RESULTS_EXPIRED

# a statement holds up the relay while it lasts: few rows each, and a pause for what waits
PAGES: Final = 25
PAUSE_S: Final = 0.05

# the lock of who is at work
WORKING: Final = 720_007
SIZE: LiteralString = "select pg_relation_size('idempotency') / current_setting('block_size')::int"
# page by page, by where the rows are: an index of their age would cost every append
EXPIRE: LiteralString = """
delete from idempotency i
where ctid >= %s::tid and ctid < %s::tid and appended_at < now() - %s
    and (select type from events e where e.order_id = i.order_id order by e.version desc limit 1) = any (%s)
"""

log = logger(__name__)


class ResultExpiry:
    """Any number may run: one of them at a time is at work. `ends` are the types of events that end an order."""

    def __init__(self, dsn: str, keep: timedelta, ends: Sequence[str]) -> None:
        self._conninfo = conninfo(dsn, "orderflow-expiry", statement_timeout="10s", lock_timeout="1s")
        self._keep, self._ends = keep, list(ends)

    def expire(self, stop: threading.Event) -> int:
        """Goes through all results once; how many were removed. Nothing is when another is at work."""
        removed = 0
        with at_work(self._conninfo, WORKING) as connection:
            if connection is None:
                return 0
            for page in range(0, ask(connection, SIZE), PAGES):
                bounds = f"({page},0)", f"({page + PAGES},0)"
                count = connection.execute(EXPIRE, (*bounds, self._keep, self._ends)).rowcount
                RESULTS_EXPIRED.inc(count)
                removed += count
                if stop.wait(PAUSE_S):
                    break
        log.info("results.expired", removed=removed)
        return removed
