"""The rows that a task holds in memory: bounded in bytes, the changed and the lately used ones among them."""

from hypothesis import example, given
from hypothesis import strategies as st

from app.streaming.cache import GENERATIONS, ROW_OVERHEAD
from app.streaming.state import TaskState
from app.streaming.table import TableSpec, TaskTable
from tests.unit.cached_rows import LIMIT, ROWS, Counted, Row, Task

EACH = len(ROWS.encode(Row("x" * 100))) + ROW_OVERHEAD
BATCH = 50
FIT = LIMIT * (GENERATIONS - 1) // GENERATIONS // EACH // BATCH * BATCH - BATCH  # one may have been let go of


def test_rows_in_memory_stay_within_their_limit_however_many_there_are() -> None:
    task = Task()
    for first in range(0, 20_000, BATCH):
        task.touch(range(first, first + BATCH))
        assert task.state.cached_bytes <= LIMIT
    assert task.reads(range(20_000 - FIT, 20_000)) == 0
    assert task.reads(range(20_000 - 3 * FIT, 20_000 - 2 * FIT)) == FIT
    assert task.rows.get(b"%08d" % 0) == Row("x" * 100)


def test_large_rows_leave_room_for_few() -> None:
    """What counts is bytes, not rows; one that grew counts as it is now."""
    task = Task()
    task.touch(range(20), size=10)
    small = task.state.cached_bytes
    task.touch(range(20), size=1_000)
    assert task.state.cached_bytes >= small + 20 * 990
    task.touch(range(1_000, 1_400), size=1_000)
    assert task.state.cached_bytes <= LIMIT
    assert task.reads(range(20)) == 20


def test_rows_of_the_next_checkpoint_count_already() -> None:
    task = Task()
    task.touch(range(10), size=1_000)
    before = task.state.cached_bytes
    for number in range(1_000, 1_100):
        task.rows.put(b"%08d" % number, Row("x" * 1_000))
    assert task.state.cached_bytes == before + 100 * (len(ROWS.encode(Row("x" * 1_000))) + ROW_OVERHEAD)
    task.checkpoint()
    assert task.state.cached_bytes <= LIMIT


def test_rows_that_are_used_stay_while_others_pass_by() -> None:
    task = Task()
    task.touch(range(100))
    for first in range(1_000, 50_000, BATCH):
        assert task.reads(range(100)) == 0
        task.touch(range(first, first + BATCH))
    assert task.reads(range(1_000, 1_100)) == 100


def test_a_small_table_keeps_its_rows_beside_a_large_one() -> None:
    few, many = TableSpec("few", Row), TableSpec("many", Row)
    store = Counted()
    state = TaskState([few, many], lambda name: f"{name}-log", set())
    state.open(store, {})
    state.tables["few"].put(b"a", Row("1"))
    for first in range(0, 5_000, BATCH):
        for number in range(first, first + BATCH):
            state.tables["many"].put(b"%08d" % number, Row("x" * 100))
        state.persisted(state.snapshot())
        state.make_room(LIMIT)
    read = store.read
    assert state.tables["few"].get(b"a") == Row("1")
    assert store.read == read
    assert state.cached_bytes <= LIMIT


def test_a_change_that_is_not_yet_durable_outlives_making_room() -> None:
    """A later reader must not see the row as it is on disk."""
    task = Task()
    task.touch(range(10))
    task.rows.put(b"%08d" % 3, Row("new"))
    task.rows.delete(b"%08d" % 4)
    for _ in range(3):
        task.state.make_room(0)
    assert task.reads([3, 4]) == 0
    assert task.reads(range(10)) == 8
    assert (task.rows.get(b"%08d" % 3), task.rows.get(b"%08d" % 4)) == (Row("new"), None)
    task.checkpoint()
    task.state.make_room(0)
    assert task.state.cached_bytes == 0
    assert task.rows.get(b"%08d" % 3) == Row("new")
    assert task.rows.get(b"%08d" % 4) is None


# a row that is written unread, while an older generation holds that there is none
READ, READ_AGAIN = [("r", n, 0) for n in range(7)], [("r", n, 0) for n in range(3)]
WRITTEN_UNREAD = [*READ, ("c", 0, 0), *READ_AGAIN, ("w", 3, 0), ("c", 0, 0)]


@example(WRITTEN_UNREAD)
@given(st.lists(st.tuples(st.sampled_from("rwdc"), st.integers(0, 9), st.integers(0, 60)), max_size=60))
def test_a_table_answers_as_a_dictionary_does(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is read, written, deleted and committed, with room for some of the rows."""
    store, told = Counted(), dict[bytes, Row | None]()
    state = TaskState([ROWS], lambda name: f"{name}-log", set())
    state.open(store, {})
    rows: TaskTable[Row] = state.tables[ROWS.name]
    for step, number, size in steps:
        key = b"%d" % number
        if step == "r":
            assert rows.get(key) == told.get(key)
        elif step == "w":
            told[key] = Row("x" * size)
            rows.put(key, Row("x" * size))
        elif step == "d":
            told[key] = None
            rows.delete(key)
        else:
            snapshot = state.snapshot()
            store.write(dict(snapshot.stored_rows()))
            state.persisted(snapshot)
            state.make_room(2_000)
            assert state.cached_bytes <= 2_000
    assert {key: rows.get(key) for key in told} == told
