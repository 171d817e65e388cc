"""What of a campaign may be sent now, and how fast."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadletters.order import TRIES, Standing, sendable
from app.deadletters.ramp import Ramp, failed

CHAIN = ("group", "orders.events:0:7")
states = st.sampled_from(["dead", "redriving", "replaced", "elsewhere"])


def follower(sequence: int, state: str = "dead", sent: int = 0, head_state: str | None = "resolved") -> Standing:
    return Standing(
        letter=f"letter-{sequence}", state=state, sent=sent, chain=CHAIN, sequence=sequence, head_state=head_state
    )


def test_heads_go_at_once_and_only_once() -> None:
    heads = [Standing(letter="new", state="dead", sent=0), Standing(letter="returned", state="dead", sent=1)]
    assert sendable([*heads, Standing(letter="out", state="redriving", sent=1)]) == ["new"]


@pytest.mark.parametrize("head_state", ["dead", "redriving"])
def test_followers_wait_for_their_head(head_state: str) -> None:
    assert sendable([follower(1, head_state=head_state)]) == []


@pytest.mark.parametrize("head_state", [None, "resolved", "discarded"])
def test_followers_go_in_their_sequence_once_the_head_is_through(head_state: str | None) -> None:
    chain = [follower(number, head_state=head_state) for number in (3, 1, 2)]
    assert sendable(chain) == ["letter-1", "letter-2", "letter-3"]


def test_a_returned_follower_goes_again_when_none_before_it_is_under_way() -> None:
    assert sendable([follower(1, "redriving", 1), follower(2, sent=1), follower(3)]) == []
    assert sendable([follower(2, sent=1), follower(3, sent=1), follower(4)]) == ["letter-2"]
    assert sendable([follower(2, sent=TRIES)]) == []


@given(st.lists(st.tuples(states, st.integers(0, TRIES + 1)), max_size=12))
def test_no_follower_is_sent_past_one_that_stays(chain: list[tuple[str, int]]) -> None:
    """All before one that goes are under way, or go with it."""
    standings = [follower(number, state, sent) for number, (state, sent) in enumerate(chain, start=1)]
    going = sendable(standings)
    for one in standings:
        if one.letter in going:
            before = [other for other in standings if other.sequence < one.sequence]
            assert all(other.state == "redriving" or other.letter in going for other in before)


def test_the_rate_grows_tenfold_a_step_up_to_its_cap() -> None:
    ramp, rates, sent = Ramp(50, 0.0, step_s=5.0), [], 0
    for tenth in range(250):
        due = ramp.due(tenth / 10, sent, decided=sent)
        ramp.took(due)
        sent += due
        rates.append((tenth / 10, ramp.rate, sent))
    assert [rate for at, rate, _ in rates if at in (0.0, 4.9, 5.0, 9.9, 10.0, 24.9)] == [1, 1, 10, 10, 50, 50]
    assert [total for at, _, total in rates if at in (4.9, 9.9)] == [5, 55]


def test_time_before_a_step_counts_at_the_rate_that_it_had() -> None:
    ramp = Ramp(1_000, 0.0, step_s=1.0)
    ramp.took(ramp.due(0.0, 0, 0))
    assert ramp.due(1.0, 1, 1) == 1
    assert ramp.rate == 10


def test_the_rate_does_not_grow_while_nothing_comes_back() -> None:
    ramp = Ramp(1_000, 0.0, step_s=1.0)
    for second in range(20):
        ramp.took(ramp.due(float(second), sent=second + 1, decided=0))
    assert ramp.rate == 1


@given(st.lists(st.floats(0.0, 3.0), max_size=40), st.integers(1, 10_000))
def test_no_pause_is_made_up_for_by_a_burst(pauses: list[float], cap: int) -> None:
    ramp, now = Ramp(cap, 0.0), 0.0
    for pause in pauses:
        now += pause
        due = ramp.due(now, 0, 0)
        assert due <= max(ramp.rate, 1)
        ramp.took(due)


@pytest.mark.parametrize(
    ("died", "decided", "expected"), [(0, 0, False), (2, 2, False), (3, 3, True), (20, 100, False), (21, 100, True)]
)
def test_a_campaign_has_failed_when_more_than_its_share_died(died: int, decided: int, expected: bool) -> None:
    assert failed(died, decided, 0.2) is expected
