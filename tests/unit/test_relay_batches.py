"""How many rows the relay puts into one Kafka transaction."""

import pytest

from app.eventstore.outbox import OutboxRow
from app.eventstore.tail import BATCH_BYTES, BATCH_ROWS, next_limit


def rows(count: int, size: int) -> list[OutboxRow]:
    return [OutboxRow("", "orders", "", "", bytes(size), "", "", "1", seq, settled=True) for seq in range(count)]


@pytest.mark.parametrize(
    ("limit", "taken", "then"),
    [
        (100, rows(100, 300), 200),
        (100, rows(1, 300), 200),
        (BATCH_ROWS, rows(BATCH_ROWS, 300), BATCH_ROWS),
        (100, rows(4, BATCH_BYTES // 10), 10),
        (100, rows(1, 2 * BATCH_BYTES), 1),
        (1, rows(1, 0), 2),
    ],
    ids=["small", "few", "as many as there may be", "large", "huge", "empty"],
)
def test_the_next_batch_is_twice_as_long_as_far_as_its_bytes_go(limit: int, taken: list[OutboxRow], then: int) -> None:
    assert next_limit(limit, taken) == then
