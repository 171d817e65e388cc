"""The check of histories finds each way in which an event can be misplaced."""

import pytest

from app.verify.history import check
from app.verify.model import INVENTORY, PAYMENTS, Case
from tests.unit.verify_orders import cancelled, confirmed, event


def kinds(case: Case) -> list[str]:
    return [difference.kind for difference in check(case)]


@pytest.mark.parametrize("case", [confirmed(), cancelled()])
def test_a_clean_order_shows_no_difference(case: Case) -> None:
    assert kinds(case) == []


def test_a_stored_event_that_was_not_published_is_missing() -> None:
    case = confirmed()
    gone = case.published.pop(1)
    [difference] = check(case)
    assert (difference.kind, difference.event_ids) == ("event-missing", (gone["event_id"],))


def test_an_event_published_twice_is_doubled() -> None:
    case = confirmed()
    case.published.append(case.published[0])
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("event-doubled", "2 times")


def test_events_published_in_another_order_are_found() -> None:
    case = confirmed()
    case.published.reverse()
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("event-order", [3, 2, 1])


def test_an_event_that_was_never_stored_is_unknown() -> None:
    case = confirmed()
    case.published.append(event(case.order_id, 4, "OrderCancelled", customer_id="17850", reason="forged"))
    assert kinds(case) == ["event-unknown"]


def test_an_event_published_with_other_bytes_is_found() -> None:
    case = confirmed()
    case.published[0] = {**case.published[0], "raw": b"other"}
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("event-bytes", b"other".hex())


def test_a_gap_in_the_event_store_is_found() -> None:
    case = confirmed()
    del case.stored[1], case.published[1]
    assert kinds(case) == ["version-gap"]


def test_a_stored_row_that_does_not_name_its_event_is_found() -> None:
    case = confirmed()
    case.stored[1] = {**case.stored[1], "type": "unreadable"}
    assert kinds(case) == ["event-unreadable"]


def test_two_stored_events_of_one_version_are_found() -> None:
    case = confirmed()
    case.stored.append(event(case.order_id, 3, "OrderCancelled", customer_id="17850", reason="late"))
    case.published = list(case.stored)
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("version-gap", [1, 2, 3, 3])


def test_an_answer_of_a_service_that_is_missing_leaves_a_gap() -> None:
    case = cancelled()
    del case.answers[PAYMENTS][1]
    [difference] = check(case)
    assert (difference.kind, difference.actual) == ("version-gap", [1, 3, 4])


def test_an_answer_of_a_service_that_is_repeated_is_doubled() -> None:
    case = confirmed()
    case.answers[INVENTORY].insert(1, case.answers[INVENTORY][0])
    assert kinds(case) == ["event-doubled"]


def test_answers_of_a_service_in_another_order_are_found() -> None:
    case = confirmed()
    case.answers[PAYMENTS].reverse()
    assert kinds(case) == ["event-order"]


def test_answers_about_an_order_that_nobody_placed_are_found() -> None:
    case = confirmed()
    case.stored, case.published = [], []
    assert kinds(case) == ["unknown-order"]
