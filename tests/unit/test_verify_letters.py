"""Which dead letters `orderflow verify` counts, and which keys wait behind one."""

import msgspec

from app.streaming.failures import Attempt, Redrive, dead_letter
from app.streaming.letters import Result, outcome_output
from app.streaming.record import Output, Record
from app.verify.topics import Letters

GROUP = "orderflow-payments"
RECORD = Record("orders.events", 1, 7, 1, b"order", b"v", [("__orderflow.outcome", b"resolved")])


class Message(msgspec.Struct):
    """As the client gives it out."""

    output: Output
    place: int

    def topic(self) -> str:
        return self.output.topic

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return self.place

    def key(self) -> bytes | None:
        return self.output.key

    def headers(self) -> list[tuple[str, bytes | None]]:
        return list(self.output.headers)


def died() -> Output:
    return dead_letter(GROUP, RECORD, 1, Attempt(), ValueError("no"), "non-retryable", 1)


def outcome(result: Result) -> Output:
    return outcome_output(GROUP, Redrive(f"{GROUP}-dlq:1:0", "run", 0), result, RECORD.key, 1, 2)


def read(*outputs: Output) -> tuple[int, dict[bytes, set[str]]]:
    letters = Letters()
    for place, output in enumerate(outputs):
        letters.add(Message(output, place))
    assert letters.groups_of_record == {("orders.events", 1, 7): {GROUP}}
    return letters.count, letters.groups_of_key


def test_a_letter_stands_until_its_record_is_through() -> None:
    """Also one whose record has a header of that name."""
    standing = 1, {b"order": {GROUP}}
    assert read(died()) == standing
    assert read(died(), outcome("returned")) == standing
    assert read(died(), outcome("resolved")) == (0, {})


def test_a_record_that_died_again_is_one_letter_and_a_discarded_one_stays() -> None:
    standing = 1, {b"order": {GROUP}}
    assert read(died(), died(), outcome("dead")) == standing
    assert read(died(), outcome("discarded")) == standing
