"""Publishes what the outbox of a shard holds, turn by turn, and leaves behind what Kafka refuses.

Each row is in exactly one Kafka transaction that is committed, for its place is committed with it: the position of the
shard for rows in their turn; for those that were left behind, the mark of their aggregate beside it.
"""

from typing import Final

from app.eventstore.blocked import BlockedAggregates
from app.eventstore.outbox import Mark, OutboxRow, OutboxShard, Position
from app.eventstore.publisher import Publisher, RowRefusedError
from app.observability.metrics import RELAYED

BATCH_ROWS: Final = 5_000
# a batch that is refused as a whole is cut into so many parts; a part that is taken doubles the next
PARTS: Final = 8


class Tail:
    """`position` is where the shard stands. Errors of the servers end its use: what came of the turn is unknown."""

    def __init__(
        self, outbox: OutboxShard, blocked: BlockedAggregates, publisher: Publisher, position: Position, shard: int
    ) -> None:
        self._outbox, self._blocked, self._publisher = outbox, blocked, publisher
        self._published = RELAYED.labels(shard)
        self._limit = BATCH_ROWS
        self.position = position

    def turn(self) -> tuple[bool, bool]:
        """Whether there may be more at once; whether rows are held back by a transaction in progress."""
        for mark in self._blocked.due():
            self._release(mark)
        limit = self._limit
        rows, held = self._outbox.read(self.position, limit)
        if not rows:
            return False, held
        return not self._take(rows) or len(rows) == limit, held

    def _take(self, rows: list[OutboxRow]) -> bool:
        """Whether the position is behind them now: then they are published, or blocked."""
        free = [row for row in rows if row.aggregateid not in self._blocked] if self._blocked else rows
        after = Position(rows[-1].xid, rows[-1].seq, self.position.published + len(free))
        try:
            self._publish(free, after)
        except RowRefusedError as error:
            row = error.row or (free[0] if len(free) == 1 else None)
            if row is None:
                self._limit = max(self._limit // PARTS, 1)
            else:
                # not the position: what is between that and these rows, the other side of a handover has published
                self._blocked.block(Mark(row.aggregateid, rows[0].xid, rows[0].seq - 1), str(error))
            return False
        self._outbox.copy(after)
        self._limit = min(self._limit * 2, BATCH_ROWS)
        return True

    def _release(self, mark: Mark) -> None:
        """Publishes what its aggregate has up to the position, until nothing is left or a row is refused again."""
        limit = 1
        while rows := self._outbox.left_behind(mark, self.position, limit):
            moved = Mark(mark.aggregateid, rows[-1].xid, rows[-1].seq)
            count = self.position.published + len(rows)
            try:
                self._publish(rows, Position(self.position.xid, self.position.seq, count, moved))
            except RowRefusedError as error:
                if len(rows) == 1:
                    self._blocked.refused(mark.aggregateid, str(error))
                    return
                limit = 1
                continue
            # before the next transaction, which does not say it again
            self._blocked.move(moved)
            mark, limit = moved, min(limit * PARTS, BATCH_ROWS)
        self._blocked.unblock(mark.aggregateid)

    def _publish(self, rows: list[OutboxRow], after: Position) -> None:
        if rows:
            self._publisher.publish(rows, after)
            self._published.inc(len(rows))
        self.position = after
