"""What is told of a restore: how far, how fast, how long."""

import pytest

from app.streaming.kafka.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    progress = Progress("some-group", clock)
    progress.begin(10_000)
    return progress


def test_pace_and_time_left_are_those_of_late(progress: Progress, clock: Clock) -> None:
    """A slow start is forgotten after ten seconds."""
    for second in range(20):
        clock.now += 1.0
        progress.advance(10 if second < 5 else 100, progress.remaining - (20 if second < 5 else 200))
    told = progress.told()
    assert told["restored"] == 5 * 10 + 15 * 100
    assert told["remaining"] == 10_000 - 5 * 20 - 15 * 200
    for _ in range(40):
        clock.now += 0.25
        progress.advance(25, progress.remaining - 50)
    assert progress.rate() == pytest.approx(100, rel=0.05)
    assert progress.left_s() == pytest.approx(progress.remaining / 200, rel=0.05)


def test_what_does_not_move_stands_still_and_never_ends(progress: Progress, clock: Clock) -> None:
    clock.now += 30
    progress.advance(0, 10_000)
    assert progress.standing_s() == 30
    assert progress.left_s() is None
    assert str(progress) == "0 records restored, 0/s, 10,000 to go, nobody can tell when it ends"


def test_offsets_without_records_are_progress(progress: Progress, clock: Clock) -> None:
    """Compaction and transaction markers leave them."""
    clock.now += 30
    progress.advance(0, 4_000)
    assert progress.standing_s() == 0
    assert progress.left_s() == pytest.approx(20)


def test_a_restore_at_its_end_has_no_time_left(progress: Progress, clock: Clock) -> None:
    clock.now += 2
    progress.advance(5_000, 0)
    assert progress.left_s() == 0
    assert str(progress) == "5,000 records restored"
