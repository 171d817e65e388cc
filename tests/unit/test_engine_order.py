"""Parking, timers and delays against the simplest model of each."""

from collections import deque

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.streaming.delayed import Delayed
from app.streaming.failures import Attempt
from app.streaming.record import Record, RecordBatch
from app.streaming.table import TaskTable
from app.streaming.timers import Timers, timer_key, timer_table
from app.streaming.volatile import MemoryStore
from tests.unit.parked import Parked, record, taken_from


class Wake(msgspec.Struct, frozen=True):
    key: str
    name: str
    due_at: int


@given(st.lists(st.sampled_from(["arrive", "arrive", "succeed", "fail", "reopen"]), max_size=40))
def test_records_of_a_key_are_handled_in_the_order_they_came(steps: list[str]) -> None:
    """Whatever fails and however often the task begins anew, and nothing is left when all is handled."""
    parked = Parked()
    parked.parking.block(b"k", record(0), attempt=2)
    waiting = deque([record(0)])
    arrived = 1
    for step in steps:
        parking, head = parked.parking, waiting[0] if waiting else None
        if step == "arrive":
            if b"k" in parking.blocked:
                parking.park(record(arrived))
                waiting.append(record(arrived))
                arrived += 1
        elif step == "reopen":
            parked.reopen()
        elif head is not None:
            taken = taken_from(parking)
            assert taken is None or taken == head
            if taken is None:
                assert parking.is_head(head, Attempt(2))
                assert not parking.is_head(head, Attempt(1))
            if step == "succeed":
                parking.succeeded(b"k")
                waiting.popleft()
            else:
                parking.block(b"k", head, attempt=2)
    while waiting:
        taken = taken_from(parked.parking)
        assert taken is None or taken == waiting[0]
        parked.parking.succeeded(b"k")
        waiting.popleft()
    assert b"k" not in parked.parking.blocked
    assert parked.rows() == 0


def test_keys_that_contain_each_other_are_parked_apart() -> None:
    parked = Parked()
    for key in (b"k", b"kk", b"k\x00", b""):
        parked.parking.block(key, record(0, key), attempt=2)
        parked.parking.park(record(1, key))
        parked.parking.succeeded(key)
    for key in (b"k", b"kk", b"k\x00", b""):
        assert taken_from(parked.parking, key) == record(1, key)


timers_set = st.lists(st.builds(Wake, st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 9)), max_size=20)


@given(timers_set, st.integers(0, 9), st.integers(1, 4))
def test_due_timers_come_in_order_and_the_last_of_a_name_counts(wakes: list[Wake], until: int, most: int) -> None:
    """Before and after the task has begun anew."""
    table = TaskTable(timer_table(Wake), "timers")
    table.open(MemoryStore())
    timers = Timers(table)
    for wake in wakes:
        timers.set(wake)
    last = {timer_key(wake): wake for wake in wakes}
    due = sorted((wake.due_at, key) for key, wake in last.items() if wake.due_at <= until)
    taken = timers.take_due(until, most)
    assert [(wake.due_at, timer_key(wake)) for wake in taken] == due[:most]
    assert all(timers.is_set(wake) for wake in taken)
    again = Timers(table)
    again.open(iter(last.items()))
    assert [(wake.due_at, timer_key(wake)) for wake in again.take_due(until, 99)] == due


def test_a_held_timer_is_not_due_until_its_key_is_released() -> None:
    """So a blocked key costs nothing, however long it is blocked."""
    table = TaskTable(timer_table(Wake), "timers")
    table.open(MemoryStore())
    timers = Timers(table)
    timers.set(Wake("a", "x", 1))
    (taken,) = timers.take_due(5, 9)
    timers.hold(taken)
    assert timers.next_due() is None
    timers.release(b"other")
    assert timers.next_due() is None
    timers.release(b"a")
    assert timers.take_due(5, 9) == [taken]


def test_a_timer_that_was_replaced_or_revoked_while_it_was_held_is_not_due_when_its_key_is_released() -> None:
    table = TaskTable(timer_table(Wake), "timers")
    table.open(MemoryStore())
    timers = Timers(table)
    for name in ("replaced", "revoked"):
        timers.set(Wake("a", name, 1))
    for taken in timers.take_due(5, 9):
        timers.hold(taken)
    timers.set(Wake("a", "replaced", 9))
    timers.revoke("a", "revoked")
    timers.release(b"a")
    assert (timers.next_due(), len(timers)) == (9, 1)


def test_a_postponed_timer_fires_later_as_the_same_also_when_it_is_put_back_then() -> None:
    table = TaskTable(timer_table(Wake), "timers")
    table.open(MemoryStore())
    timers, wake = Timers(table), Wake("a", "x", 1)
    timers.set(wake)
    (taken,) = timers.take_due(5, 9)
    timers.postpone(taken, 8)
    assert timers.take_due(7, 9) == []
    assert timers.take_due(8, 9) == [wake]
    timers.put_back(wake)
    assert timers.take_due(8, 9) == [wake]
    assert timers.is_set(wake)


def test_a_timer_that_only_looks_is_no_work_to_come_before_and_after_the_task_has_begun_anew() -> None:
    table = TaskTable(timer_table(Wake), "timers")
    table.open(MemoryStore())
    timers, acts, looks = Timers(table, frozenset({"x"})), Wake("a", "y", 2), Wake("a", "x", 1)
    for wake in (acts, looks):
        timers.set(wake)
    again = Timers(table, frozenset({"x"}))
    again.open((timer_key(wake), wake) for wake in (acts, looks))
    assert (len(timers), len(again)) == (1, 1)
    assert timers.take_due(5, 9) == [looks, acts]
    again.revoke("a", "x")
    again.delete(acts)
    assert len(again) == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.lists(st.integers(0, 200), max_size=20))
def test_a_delayed_source_gives_out_nothing_early_and_all_of_it_in_order(stamps: list[int], clock: list[int]) -> None:
    """A stamp from the future counts as now: it holds nobody up."""
    delayed = Delayed("retry", 100)
    delayed.open(0)
    records = [record(offset, at_ms=stamp) for offset, stamp in enumerate(stamps)]
    delayed.take(RecordBatch.of("retry", 0, 0, len(records) + 1, records), now_ms=40)
    given_out: list[Record] = []
    for now_ms in sorted(clock):
        for due_ms, due in delayed.due(now_ms):
            assert min(due.timestamp_ms, 40) + 100 == due_ms <= now_ms
            given_out.append(due)
        assert delayed.position == (len(given_out) if len(delayed) else len(records) + 1)
    given_out += [due for _, due in delayed.due(200)]
    assert given_out == records


@given(st.lists(st.tuples(st.integers(0, 50), st.binary(max_size=3)), min_size=1, max_size=20))
def test_with_jitter_a_delay_is_longer_and_never_early(arrivals: list[tuple[int, bytes]]) -> None:
    """The same for the same key after a restart."""
    records = [record(offset, key, stamp) for offset, (stamp, key) in enumerate(arrivals)]
    batch = RecordBatch.of("retry", 0, 0, len(records), records)
    delayed, again = Delayed("retry", 100, 0.5), Delayed("retry", 100, 0.5)
    for source in (delayed, again):
        source.take(batch, now_ms=60)
    given_out: list[Record] = []
    for now_ms in range(60, 221):
        due = list(delayed.due(now_ms))
        assert due == list(again.due(now_ms))
        assert all(one.timestamp_ms + 100 <= now_ms for _, one in due)
        given_out += [one for _, one in due]
    assert given_out == records


def test_a_clock_that_is_set_back_makes_no_delay_longer() -> None:
    delayed, hour_ms = Delayed("retry", 100), 3_600_000
    delayed.open(0)
    delayed.take(RecordBatch.of("retry", 0, 0, 1, [record(0, at_ms=hour_ms)]), now_ms=hour_ms)
    assert not delayed.is_due(0)
    assert not delayed.is_due(99)
    assert delayed.is_due(100)
