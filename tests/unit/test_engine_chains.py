"""What waits behind a record, parked or as letters in any mixture, against a plain queue."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from app.streaming.failures import Attempt, Behind, Redrive
from app.streaming.record import Record
from tests.unit.parked import Parked, record, taken_from

KEY = b"k"
REDRIVE = Redrive("dlq:0:1", "run-1", 0)
STEPS = ["park", "park", "pass", "pass", "succeed", "succeed", "back", "back", "early", "reopen"]


class Chain:
    """The queue and the parking beside each other; `head` waits in neither."""

    def __init__(self) -> None:
        self.parked = Parked()
        self.head: Record | None = record(0)
        self.parked.parking.block(KEY, record(0), attempt=2)
        self.queue: deque[Record] = deque()
        self.out: dict[int, Behind] = {}
        self.arrived = 1

    @property
    def is_blocked(self) -> bool:
        return KEY in self.parked.parking.blocked

    def take(self, step: str) -> None:
        match step:
            case "park" | "pass" if self.is_blocked:
                self._arrive(as_letter=step == "pass")
            case "succeed":
                self._succeed()
            case "back" if self.out:
                self.back(min(self.out))
            case "early" if len(self.out) > 1:
                last = max(self.out)
                assert not self._take_back(last)
            case "reopen":
                self.parked.reopen()

    def _arrive(self, *, as_letter: bool) -> None:
        came = record(self.arrived)
        self.arrived += 1
        self.queue.append(came)
        if as_letter:
            self.out[came.offset] = self.parked.parking.pass_by(came)
        else:
            self.parked.parking.park(came)

    def _succeed(self) -> None:
        if self.head is None:
            taken = taken_from(self.parked.parking)
            if not self.queue or self.queue[0].offset in self.out:
                assert taken is None
                return
            assert taken == self.queue.popleft()
        if self.is_blocked:
            self.head = None
            self.parked.parking.succeeded(KEY)

    def back(self, offset: int) -> None:
        assert self._take_back(offset)
        assert not self._take_back(offset)
        del self.out[offset]

    def _take_back(self, offset: int) -> bool:
        return self.parked.parking.take_back(record(offset), REDRIVE, self.out[offset], discard=False)

    def end(self) -> None:
        """All letters come back, and all is handled."""
        while self.out:
            self.back(min(self.out))
        while self.is_blocked:
            self._succeed()


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_a_key_takes_what_waits_in_the_order_in_which_it_came(steps: list[str]) -> None:
    """However often the task begins anew; and nothing is left."""
    chain = Chain()
    for step in steps:
        chain.take(step)
        assert chain.is_blocked == (chain.head is not None or bool(chain.queue))
    chain.end()
    assert not chain.queue
    assert chain.parked.rows() == 0


def test_a_letter_is_not_taken_back_behind_a_dead_head() -> None:
    """It could only wait again."""
    parking = Parked().parking
    parking.block(KEY, record(0), attempt=1, dead=True)
    behind = parking.pass_by(record(1))
    assert behind == Behind(1, "in:0:0")
    assert not parking.take_back(record(1), REDRIVE, behind, discard=False)
    parking.succeeded(KEY)
    assert taken_from(parking) is None
    assert parking.take_back(record(1), REDRIVE, behind, discard=False)
    assert taken_from(parking) == record(1)


def test_a_letter_of_a_former_blocking_is_not_taken_back() -> None:
    parking = Parked().parking
    for head in (0, 10):
        parking.block(KEY, record(head), attempt=2)
        behind = parking.pass_by(record(head + 1))
        former = Behind(1, "in:0:0")
        parking.succeeded(KEY)
        if head:
            assert not parking.take_back(record(1), REDRIVE, former, discard=False)
        assert parking.take_back(record(head + 1), REDRIVE, behind, discard=False)
        assert taken_from(parking) == record(head + 1)
        parking.succeeded(KEY)


def test_a_dead_head_comes_back_by_the_letter_that_it_is_now() -> None:
    """Not by one of an earlier death."""
    parking = Parked().parking
    parking.block(KEY, record(0), attempt=1, dead=True, redrives=1)
    redrives = [Attempt(redrive=Redrive("dlq:0:1", "run-1", redrives)) for redrives in (0, 1, 2)]
    assert [parking.is_head(record(0), attempt, dead=True) for attempt in redrives] == [False, True, False]
    assert not parking.is_head(record(0), Attempt(1))
    assert not parking.is_head(record(5), redrives[1], dead=True)
