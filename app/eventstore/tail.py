"""Publishes what the outbox of a shard holds, turn by turn, and leaves behind what Kafka refuses.

Each row is in exactly one Kafka transaction that is committed, for its place is committed with it: the position of the
shard for rows in their turn; for those that were left behind, the mark of their aggregate beside it.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from app.eventstore.blocked import BlockedAggregates
from app.eventstore.outbox import Mark, OutboxRow, OutboxShard, Position, Read
from app.eventstore.publisher import Publisher, RowRefusedError
from app.observability.metrics import RELAYED

BATCH_ROWS: Final = 5_000
# what a transaction takes well within its limit of time, and what may lie in memory twice
BATCH_BYTES: Final = 32_000_000
# a batch that is refused as a whole is cut into so many parts; a part that is taken doubles the next
PARTS: Final = 8


def next_limit(limit: int, taken: Sequence[OutboxRow]) -> int:
    """How many rows to ask for after these were taken: twice as many, if they are as large."""
    size = sum([len(row.payload) for row in taken])
    return max(1, min(2 * limit, BATCH_ROWS, BATCH_BYTES * len(taken) // max(size, 1)))


class Tail:
    """`position` is where the shard stands. Errors of the servers end its use: what came of the turn is unknown."""

    def __init__(
        self, outbox: OutboxShard, blocked: BlockedAggregates, publisher: Publisher, position: Position, shard: int
    ) -> None:
        self._outbox, self._blocked, self._publisher = outbox, blocked, publisher
        self._published = RELAYED.labels(shard)
        self._limit = BATCH_ROWS // PARTS
        self._ahead: Read | None = None
        self._copied = position
        self.position = position

    def turn(self) -> Read:
        """What there was to publish: it is published now or blocked, or it comes again in the next turn."""
        for mark in self._blocked.due():
            self._release(mark)
        read, self._ahead = self._ahead or self._outbox.read(self.position, self._limit), None
        if read.rows:
            self._take(read.rows, more=read.more)
        else:
            self._copy()
        return read

    def _take(self, rows: list[OutboxRow], *, more: bool) -> None:
        free = [row for row in rows if row.aggregateid not in self._blocked] if self._blocked else rows
        last = rows[-1]
        after = Position(last.xid, last.seq, self.position.published + len(free), event_id=last.event_id)
        try:
            self._publish(free, after, lambda: self._prepare(after, more=more))
        except RowRefusedError as error:
            self._ahead = None
            row = error.row or (free[0] if len(free) == 1 else None)
            if row is None:
                self._limit = max(self._limit // PARTS, 1)
            else:
                # not the position: what is between that and these rows, the other side of a handover has published
                self._blocked.block(Mark(row.aggregateid, rows[0].xid, rows[0].seq - 1), str(error))
        else:
            self._limit = next_limit(self._limit, rows)

    def _prepare(self, after: Position, *, more: bool) -> None:
        """While Kafka is at it: what is left of the last turn, and what there is for the next."""
        self._copy()
        if more:
            self._ahead = self._outbox.read(after, self._limit)

    def _copy(self) -> None:
        if self._copied != self.position:
            self._outbox.copy(self.position)
            self._copied = self.position

    def _release(self, mark: Mark) -> None:
        """Publishes what its aggregate has up to the position, until nothing is left or a row is refused again."""
        limit = 1
        while rows := self._outbox.left_behind(mark, self.position, limit):
            moved = Mark(mark.aggregateid, rows[-1].xid, rows[-1].seq)
            count = self.position.published + len(rows)
            try:
                self._publish(rows, msgspec.structs.replace(self.position, published=count, released=moved))
            except RowRefusedError as error:
                if len(rows) == 1:
                    self._blocked.refused(mark.aggregateid, str(error))
                    return
                limit = 1
                continue
            # before the next transaction, which does not say it again
            self._blocked.move(moved)
            mark, limit = moved, next_limit(limit, rows)
        self._blocked.unblock(mark.aggregateid)

    def _publish(self, rows: list[OutboxRow], after: Position, meanwhile: Callable[[], None] = lambda: None) -> None:
        if rows:
            self._publisher.publish(rows, after, meanwhile)
            self._published.inc(len(rows))
        self.position = after
