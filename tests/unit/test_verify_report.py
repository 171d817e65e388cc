"""What a person sees of a report."""

from io import StringIO

import msgspec
from rich.console import Console

from app.cli.verify import show
from app.verify import Difference, Report

CLEAN = Report(
    orders=3,
    confirmed=2,
    cancelled=1,
    rows=9,
    dead_letters=0,
    blocked=(),
    not_quiet=(),
    differences=(),
    seconds=1.5,
)
WRONG = Difference("money", "order-1 charged - refunded", 0, 300, ("event-1", "event-2"))


def shown(report: Report) -> str:
    page = StringIO()
    show(report, Console(file=page, width=120))
    return page.getvalue()


def test_a_clean_report_is_a_summary() -> None:
    assert CLEAN.clean
    text = shown(CLEAN)
    assert "Verified" in text
    assert "confirmed" in text


def test_a_difference_is_shown_with_the_events_behind_it() -> None:
    report = msgspec.structs.replace(CLEAN, differences=(WRONG,))
    assert not report.clean
    text = shown(report)
    for part in ("money: order-1 charged - refunded", "expected 0", "actual   300", "event-1", "event-2"):
        assert part in text


def test_a_system_that_is_not_quiet_is_not_clean_and_says_why() -> None:
    report = msgspec.structs.replace(CLEAN, not_quiet=("the relay has yet to publish 3 events",))
    assert not report.clean
    assert "not quiet: the relay has yet to publish 3 events" in shown(report)


def test_an_order_behind_a_dead_letter_is_shown_and_is_no_difference() -> None:
    report = msgspec.structs.replace(CLEAN, blocked=("order-1",))
    assert report.clean
    assert "order order-1 waits behind a dead letter" in shown(report)


def test_a_long_list_is_cut_and_says_so() -> None:
    many = msgspec.structs.replace(WRONG, event_ids=tuple(f"event-{number}" for number in range(30)))
    text = shown(msgspec.structs.replace(CLEAN, differences=(many,) * 60))
    assert "and 10 more events" in text
    assert "and 10 more: --json prints them all" in text
