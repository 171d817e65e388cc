"""A task that has nothing to do: it keeps to its share of the memory, and what failed before is over."""

import time
from types import SimpleNamespace
from typing import Any

from app.streaming.cache import ROW_OVERHEAD
from app.streaming.kafka import owned
from app.streaming.kafka.owned import OwnedTask
from app.streaming.record import Output
from app.streaming.volatile import MemoryStore
from tests.unit.cached_rows import Row
from tests.unit.cached_rows import Task as Cached

ROOMY, NARROW = 1_000_000, 10_000


def owned_task(rows_each: int = ROOMY) -> tuple[OwnedTask, Cached, Any]:
    """Active and idle; `rows_each` of the third is the share of memory that it has."""
    cached, stores = Cached(), SimpleNamespace(rows_each=rows_each)
    task: Any = SimpleNamespace(
        topology=SimpleNamespace(group="some-group"), state=cached.state, status="active", epoch=1
    )
    clients: Any = None
    given: Any = stores
    return OwnedTask(task, clients, given, None), cached, stores


def test_an_idle_task_gives_up_rows_when_its_share_of_the_memory_shrinks() -> None:
    one, cached, stores = owned_task()
    cached.touch(range(500), size=100)
    stores.rows_each = NARROW
    assert one.is_over(0.5)
    one.rest()
    assert not one.is_over(0)
    assert cached.rows.get(b"%08d" % 499) == Row("x" * 100)


def test_what_failed_before_is_over_once_a_task_has_rested_for_a_while() -> None:
    one, _, _ = owned_task()
    one.failures, one.trouble = 3, OSError("full")
    assert one.unready() is not None
    one._reset_at = time.monotonic()
    one.rest()
    assert one.unready() is not None
    one._reset_at -= owned.FORGIVEN_S
    one.rest()
    assert one.unready() is None
    assert not one.failures


def test_outputs_that_wait_for_a_commit_count_as_memory() -> None:
    one, cached, _ = owned_task(NARROW)
    cached.state.open(MemoryStore(), {})
    cached.state.outputs = [Output("out", b"key", b"x" * 100, [])] * 10
    assert 1_000 < cached.state.output_bytes < 10 * (ROW_OVERHEAD + 200)
    assert not one.is_over(0)
    cached.state.outputs *= 10
    assert one.is_over(0)
