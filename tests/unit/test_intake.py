"""Which intake is in use, and what it has taken."""

import pytest

from app.errors import SetupError
from app.streaming.kafka import intake
from app.streaming.kafka.intake import AVAILABLE, VARIABLE, intake_in_use
from app.streaming.kafka.messages import Taken
from app.streaming.record import Record


def test_the_fastest_intake_is_in_use_unless_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert intake_in_use() == AVAILABLE[0]
    monkeypatch.setenv(VARIABLE, "messages")
    assert intake_in_use() == "messages"


def test_an_intake_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "AVAILABLE", ("messages",))
    for asked in ("compiled", "quick"):
        monkeypatch.setenv(VARIABLE, asked)
        with pytest.raises(SetupError, match="unset it"):
            intake_in_use()


def test_what_lies_before_a_position_is_left_out() -> None:
    """Offsets have gaps where transactions end."""
    records = [Record("in", 0, offset, 0, b"%d" % offset, b"v%d" % offset, ()) for offset in (3, 4, 6, 7)]
    keys, values = [record.key for record in records], [record.value for record in records]
    taken = Taken("in", 0, 3, 9, keys, values, records.__getitem__)
    later = taken.since(5)
    assert (later.begin, later.end) == (5, 9)
    assert (later.keys, later.values) == ([b"6", b"7"], [b"v6", b"v7"])
    assert [later.record(index) for index in range(2)] == records[2:]
    assert not taken.since(8).keys
