"""The outage brake as a machine of its own: who may call when, and which failures count."""

from hypothesis import given
from hypothesis import strategies as st

from app.streaming.brake import SECOND, Brake, BrakePolicy
from app.streaming.errors import OutageError
from app.streaming.policy import FailurePolicy, Retry, decide
from app.streaming.record import Record

POLICY = BrakePolicy(keys=3, window_s=10.0, first_pause_s=1.0, last_pause_s=4.0)


def braking(at: int = 0) -> Brake:
    brake = Brake(POLICY)
    assert all(brake.failed(key, at) for key in (b"a", b"b", b"c"))
    assert brake.state == "braking"
    return brake


def test_many_keys_that_fail_within_the_window_are_an_outage() -> None:
    brake = braking(at=5 * SECOND)
    assert brake.until == 6 * SECOND
    assert not brake.failed(b"d", 5 * SECOND)


def test_one_key_that_fails_many_times_is_none() -> None:
    brake = Brake(POLICY)
    assert all(brake.failed(b"a", n) for n in range(20))
    assert brake.is_open()


def test_half_as_many_keys_that_fail_again_and_again_are_an_outage() -> None:
    brake = Brake(POLICY)
    assert [brake.failed(key, n) for n in range(4) for key in (b"a", b"b")] == [True] * 6 + [False] * 2


def test_keys_that_fail_seldom_are_none() -> None:
    brake = Brake(POLICY)
    assert all(brake.failed(str(n).encode(), n * 6 * SECOND) for n in range(20))
    assert brake.is_open()


def test_an_answer_between_failures_shows_that_there_is_no_outage() -> None:
    brake = Brake(POLICY)
    for n in range(20):
        assert brake.failed(str(n).encode(), n)
        brake.answered()
    assert brake.is_open()


def test_probes_come_singly_and_after_growing_pauses() -> None:
    brake, now, pauses = braking(), 0, []
    for _ in range(5):
        pauses.append((brake.until - now) // SECOND)
        assert not brake.lets_probe(brake.until - 1)
        now = brake.until
        assert brake.lets_probe(now)
        brake.probe()
        assert not brake.lets_probe(now)
        assert not brake.failed(b"a", now)
        brake.passed(now)
    assert pauses == [1, 2, 4, 4, 4]


def test_a_probe_that_is_answered_opens_and_the_next_outage_begins_anew() -> None:
    brake = braking()
    brake.probe()
    brake.answered()
    assert brake.is_open()
    assert brake.failed(b"d", SECOND)
    assert brake.is_open()


def test_a_call_from_before_the_outage_that_is_answered_does_not_open() -> None:
    brake = braking()
    brake.answered()
    assert brake.state == "braking"


def test_a_probe_that_made_no_call_lets_the_next_one_follow_at_once() -> None:
    brake = braking()
    brake.probe()
    brake.passed(SECOND)
    assert brake.lets_probe(SECOND)


def test_where_many_keys_wait_already_the_first_call_is_a_probe() -> None:
    brake = Brake(POLICY)
    brake.doubt(POLICY.keys - 1, SECOND)
    assert brake.is_open()
    brake.doubt(POLICY.keys, SECOND)
    assert brake.lets_probe(SECOND)
    brake.probe()
    assert not brake.failed(b"a", SECOND)
    assert (brake.state, brake.until) == ("braking", 2 * SECOND)
    brake.doubt(POLICY.keys, 2 * SECOND)
    assert brake.until == 2 * SECOND


Event = st.tuples(st.sampled_from(["failed", "answered", "probe", "passed"]), st.integers(0, 5), st.integers(0, 3))


@given(st.lists(Event, max_size=60))
def test_whatever_happens_no_more_failures_count_than_the_policy_says(events: list[tuple[str, int, int]]) -> None:
    """While all calls of many keys fail, none counts but those of the first moment."""
    brake, now, counted = Brake(POLICY), 0, list[int]()
    for what, key, seconds in events:
        now += seconds * SECOND // 10
        was_open = brake.is_open()
        if what == "failed":
            counts = brake.failed(str(key).encode(), now)
            assert counts == was_open
            counted += [key] if counts else []
        elif what == "answered":
            brake.answered()
            counted = [] if brake.is_open() else counted
        elif what == "probe" and brake.lets_probe(now):
            brake.probe()
        elif what == "passed":
            brake.passed(now)
        assert len(counted) <= 2 * POLICY.keys or len(set(counted[-2 * POLICY.keys :])) < POLICY.keys / 2
        assert brake.is_open() or brake.until <= now + POLICY.last_pause_s * SECOND


@given(st.integers(1, 1_000))
def test_what_is_away_is_waited_for_without_an_end(attempt: int) -> None:
    """The attempt stays the same one, and so does its delay."""
    record = Record("orders", 0, 7, 0, b"k", b"v", ())
    action = decide(record, OutageError("away"), attempt, FailurePolicy((100, 200)))
    assert action == Retry(100 if attempt == 1 else 200)


def test_a_clock_that_is_set_back_makes_no_pause_longer_than_the_longest() -> None:
    brake = braking(at=3_600 * SECOND)
    assert not brake.lets_probe(3_600 * SECOND)
    assert brake.lets_probe(0)
