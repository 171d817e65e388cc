"""How long a blocked order waits until it is tried again, as the page tells it."""

import re
from uuid import uuid4

import psycopg

from app.eventstore.blocked import BlockedAggregates
from app.eventstore.outbox import Mark
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "write-side.md").read_text()
WAIT_S = "select extract(epoch from next_attempt_at - now())::int from outbox_blocked"
TOLD = re.compile(r"tried again after ([\d, ]+), \.\.\. (\d+) seconds")


def test_a_blocked_order_is_tried_again_after_the_waits_that_the_page_tells(database: str) -> None:
    aggregate, waits_s = str(uuid4()), []
    with psycopg.connect(database) as connection:
        blocked = BlockedAggregates(connection, 0)
        blocked.block(Mark(aggregate, "0", 0), "too large")
        for _ in range(9):
            waits_s += [wait_s for (wait_s,) in connection.execute(WAIT_S)]
            blocked.refused(aggregate, "too large")
    told = TOLD.search(PAGE)
    assert told is not None
    first, last = [int(wait_s) for wait_s in told[1].split(", ")], int(told[2])
    assert waits_s[: len(first)] == first
    assert set(waits_s[waits_s.index(last) :]) == {last}
