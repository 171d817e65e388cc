"""Which letters a campaign consists of."""

from typing import Any

from app.deadletters.choosing import MAX_REDRIVES, Action, choose
from app.deadletters.reading import Entry

GROUP = "orderflow-payments"


def entry(offset: int, key: str = "key", **more: Any) -> Entry:
    """A letter of the record at this offset."""
    told: dict[str, Any] = {
        "id": f"{GROUP}-dlq:0:{offset}",
        "failure": "f",
        "state": "dead",
        "consumer_group": GROUP,
        "topic": "orders.events",
        "partition": 0,
        "offset": offset,
        "key": key.encode(),
        "reason": "non-retryable",
        "attempt": 1,
        "exception": "E",
        "message": "",
        "first_failed_at_ms": 1,
        "dead_at_ms": offset,
        "redrives": 0,
        "previous": None,
        "sequence": None,
        "head": None,
        "left_out": 0,
        "schema": "",
    }
    return Entry(**told | more)


def follower(offset: int, sequence: int, key: str = "key", **more: Any) -> Entry:
    return entry(offset, key, sequence=sequence, head="orders.events:0:1", reason="parked-behind", **more)


HEAD, CHAIN = entry(1), [follower(3, 2), follower(2, 1)]
OPEN = {f"{GROUP} orders.events:0:1"}


def chosen(
    *asked: Entry, action: Action = "redrive", open_heads: set[str] = OPEN, **more: Any
) -> list[tuple[int, str]]:
    """(offset, action) of what is sent."""
    found, _ = choose(asked, CHAIN, open_heads, action, **more)
    return [(one.entry.offset, one.action) for one in found]


def why_not(*asked: Entry, **more: Any) -> str:
    _, ((letter),) = choose(asked, CHAIN, OPEN, "redrive", **more)
    return letter.why


def test_a_head_brings_its_chain_in_sequence() -> None:
    assert chosen(HEAD) == [(1, "redrive"), (2, "redrive"), (3, "redrive")]


def test_a_discarded_head_has_its_chain_redriven_unless_that_was_asked_for_too() -> None:
    assert chosen(HEAD, action="discard") == [(1, "discard"), (2, "redrive"), (3, "redrive")]
    assert chosen(HEAD, *CHAIN, action="discard") == [(1, "discard"), (2, "discard"), (3, "discard")]


def test_a_follower_goes_only_with_its_head_or_after_it() -> None:
    assert chosen(CHAIN[0]) == []
    assert "waits behind orders.events:0:1" in why_not(CHAIN[0])
    assert chosen(CHAIN[0], open_heads=set()) == [(2, "redrive"), (3, "redrive")]


def test_a_letter_that_was_redriven_too_often_is_left_out_and_a_discard_takes_it() -> None:
    spent = entry(1, redrives=MAX_REDRIVES)
    assert chosen(spent) == []
    assert "--force" in why_not(spent)
    assert chosen(spent, force=True)[0] == (1, "redrive")
    assert chosen(spent, action="discard")[0] == (1, "discard")


def test_a_letter_that_is_only_a_part_goes_with_another_payload_or_not_at_all() -> None:
    part = entry(9, key="other", left_out=100)
    assert "too large" in why_not(part)
    assert chosen(part, edited={part.id}) == [(9, "redrive")]
    assert chosen(part, action="discard") == [(9, "discard")]
