"""The judgement of an audit: what it finds, and that what a repair does about it leaves nothing to find."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from app.eventstore.audit.compare import Judged, Seen, Stored, judge

ORDER, HOME = UUID(int=7), 1
NOBODY = UUID(int=0)


def stored(version: int) -> Stored:
    return Stored(version, uuid5(ORDER, str(version)), f"whole {version}".encode())


def seen(version: int, offset: int, *, damage: str = "", partition: int = HOME) -> Seen:
    event = stored(version)
    digest = event.digest if not damage else damage.encode()
    return Seen(ORDER, partition, offset, event.event_id, event.event_id, digest or b"", readable=True)


def judged(versions: int, records: Sequence[Seen], pending_from: int | None = None) -> Judged:
    return judge(ORDER, [stored(version) for version in range(1, versions + 1)], pending_from, records, HOME)


def found(outcome: Judged) -> list[tuple[str, int | None]]:
    return [(finding.wrong, finding.version) for finding in outcome.findings]


def test_a_removed_event_is_missing_and_what_follows_it_is_lacking_too() -> None:
    outcome = judged(3, [seen(1, 0), seen(3, 1)])
    assert (found(outcome), outcome.lacks_from) == ([("missing", 2)], 2)


def test_a_doubled_event_is_void_and_nothing_is_lacking() -> None:
    outcome = judged(2, [seen(1, 0), seen(2, 1), seen(1, 2)])
    assert (found(outcome), outcome.lacks_from) == ([("doubled", 1)], None)
    assert [record.offset for record in outcome.void] == [2]


def test_an_event_that_comes_after_a_later_one_is_reordered() -> None:
    outcome = judged(3, [seen(1, 0), seen(3, 1), seen(2, 2)])
    assert (found(outcome), outcome.lacks_from) == ([("reordered", 2)], 3)


def test_other_bytes_are_corrupted_and_not_missing() -> None:
    outcome = judged(2, [seen(1, 0), seen(2, 1, damage="flipped")])
    assert (found(outcome), outcome.lacks_from) == ([("corrupted", 2)], 2)


def test_a_record_in_a_partition_of_other_orders_is_misplaced() -> None:
    outcome = judged(1, [seen(1, 0, partition=0)])
    assert (found(outcome), outcome.lacks_from) == ([("misplaced", 1)], 1)


def test_events_that_are_yet_to_be_published_are_not_missing() -> None:
    outcome = judged(3, [seen(1, 0)], pending_from=2)
    assert (found(outcome), outcome.lacks_from) == ([], None)


def test_an_event_that_the_store_has_not_is_unknown_and_bytes_that_are_none_are_strays() -> None:
    forged = Seen(ORDER, HOME, 1, NOBODY, UUID(int=9), b"", readable=True)
    garbage = Seen(ORDER, HOME, 2, NOBODY, NOBODY, b"", readable=False)
    outcome = judged(1, [seen(1, 0), forged, garbage])
    assert (found(outcome), outcome.strays, outcome.void) == ([("unknown", None)], 1, [])


def test_a_flipped_byte_in_the_id_of_a_header_is_still_the_event_of_the_value() -> None:
    whole = seen(1, 0)
    flipped = Seen(ORDER, HOME, 0, UUID(int=5), whole.read, b"other", readable=True)
    assert found(judged(1, [flipped])) == [("corrupted", 1)]


VERSIONS = 5
RECORDS = st.lists(
    st.tuples(st.integers(1, VERSIONS), st.sampled_from(["", "", "flipped"]), st.sampled_from([HOME, HOME, 0])),
    max_size=12,
)


@given(records=RECORDS)
def test_what_a_repair_does_about_any_topic_leaves_nothing_to_find(records: list[tuple[int, str, int]]) -> None:
    topic = [seen(v, offset, damage=how, partition=where) for offset, (v, how, where) in enumerate(records)]
    topic.sort(key=lambda record: (record.partition, record.offset))
    lacks_from = judged(VERSIONS, topic).lacks_from
    if lacks_from is not None:
        topic += [seen(version, 100 + version) for version in range(lacks_from, VERSIONS + 1)]
    mended = judged(VERSIONS, topic)
    assert mended.lacks_from is None
    void = {(record.partition, record.offset) for record in mended.void}
    counting = [record for record in topic if (record.partition, record.offset) not in void]
    assert judged(VERSIONS, counting) == Judged([], None, [], 0)
    assert [record.named for record in counting] == [stored(version).event_id for version in range(1, VERSIONS + 1)]
