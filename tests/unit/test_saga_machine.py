"""The way forward and the way back of a saga, one claim at a time."""

import msgspec
import pytest

from app.sagas import machine
from app.sagas.instance import Abort, Instance, Reply, Timer, Transition
from tests.unit.saga_trip import SECOND, Trip, before_pay, forward_failed, undoing_failed
from tests.unit.saga_world import NOW, SAGA_ID


def test_it_begins_with_its_first_step_a_timeout_and_a_deadline() -> None:
    trip = Trip()
    assert trip.asks == "book-hotel"
    assert set(trip.last.timers) == {
        Timer("saga-step", NOW + 10 * SECOND),
        Timer("saga-deadline", NOW + 600 * SECOND),
    }


def test_each_reply_leads_to_the_next_step_and_the_last_one_to_the_end() -> None:
    trip = Trip()
    asked = [trip.asks]
    for reply in ("book-hotel:done", "book-flight:done", "pay:done", "mail:done"):
        trip.reply(reply)
        asked.append(trip.asks)
    assert asked == ["book-hotel", "book-flight", "pay", "mail", None]
    assert (trip.instance.status, trip.instance.ended) == ("COMPLETED", True)
    assert trip.last.revoked == ("saga-step",)


def test_the_deadline_is_revoked_once_the_pivot_is_asked_for() -> None:
    assert before_pay().last.revoked == ("saga-deadline",)


def test_a_refusal_undoes_what_was_done_in_reverse_and_not_the_refused_step() -> None:
    trip = before_pay()
    asked = [(trip.reply(reply), trip.asks)[1] for reply in ("pay:refused", "free-flight:done", "free-hotel:done")]
    assert asked == ["free-flight", "free-hotel", None]
    assert trip.instance.status == "COMPENSATED"
    assert trip.instance.reason == "pay: pay:refused"


def test_a_failed_reply_is_waited_for_and_asked_again_under_a_new_id() -> None:
    trip = Trip()
    first = trip.command
    trip.reply("book-hotel:failed", "busy")
    assert trip.last.timers == (Timer("saga-step", NOW + 5 * SECOND),)
    trip.wake()
    assert first is not None
    assert trip.command is not None
    assert (trip.command.name, trip.command.attempt, trip.command.id != first.id) == ("book-hotel", 2, True)


def test_a_failure_of_an_earlier_attempt_is_no_failure_of_this_one() -> None:
    trip = Trip()
    first = trip.command
    assert first is not None
    trip.reply("book-hotel:failed")
    trip.wake()
    assert trip.take(Reply("book-hotel:failed", "again", first.id)) == Transition()


def test_a_step_whose_reply_was_lost_is_undone_too() -> None:
    trip = Trip().replies("book-hotel:done")
    trip.wake()
    assert trip.asks == "free-flight"
    assert trip.states()[1] == ("unknown", "asked")


def test_a_late_reply_to_a_step_that_is_being_undone_is_covered_by_that() -> None:
    trip = Trip().replies("book-hotel:done")
    trip.wake()
    assert trip.reply("book-flight:done").command is None
    assert trip.replies("free-flight:done", "free-hotel:done").instance.status == "COMPENSATED"


def test_a_late_reply_to_a_step_that_is_not_being_undone_is_answered_by_its_undoing() -> None:
    trip = Trip().replies("book-hotel:done", "book-flight:refused", "free-hotel:done")
    assert trip.instance.status == "COMPENSATED"
    trip.reply("book-flight:done")
    assert (trip.asks, trip.instance.status) == ("free-flight", "COMPENSATING")
    assert trip.replies("free-flight:done").instance.status == "COMPENSATED"


def test_an_early_reply_to_a_repeated_attempt_is_taken() -> None:
    trip = Trip()
    trip.wake()
    assert trip.instance.steps[0].do.state == "waiting"
    trip.reply("book-hotel:done")
    assert trip.asks == "book-flight"


def test_an_obsolete_timer_has_no_effect() -> None:
    trip = Trip()
    obsolete = trip.last.timers
    trip.now += SECOND
    trip.replies("book-hotel:done", "book-flight:done")
    trip.now += 601 * SECOND
    assert [trip.take(timer) for timer in obsolete] == [Transition()] * 2


def test_the_deadline_undoes_what_is_under_way_and_what_was_done() -> None:
    trip = Trip().replies("book-hotel:done")
    trip.now = trip.instance.deadline
    trip.take(Timer("saga-deadline", trip.now))
    assert (trip.asks, trip.instance.reason) == ("free-flight", machine.DEADLINE)


@pytest.mark.parametrize(("replies", "status"), [((), "COMPENSATING"), (("book-flight:done",), "RUNNING")])
def test_an_abort_undoes_all_until_the_pivot_is_asked_for(replies: tuple[str, ...], status: str) -> None:
    trip = Trip().replies("book-hotel:done", *replies)
    trip.take(Abort("event-9", "changed my mind"))
    assert trip.instance.status == status


def test_an_undoing_is_retried_and_when_it_fails_for_good_the_others_still_run_and_one_failure_is_told() -> None:
    trip = before_pay().replies("pay:refused", "free-flight:failed")
    failures = [trip.wake().failure, trip.reply("free-flight:failed", "no such booking").failure]
    assert trip.asks == "free-hotel"
    failures.append(trip.reply("free-hotel:done").failure)
    assert trip.instance.status == "COMPENSATION_FAILED"
    told = [(told.saga, told.saga_id, told.step, told.error) for told in failures if told]
    assert told == [("trip", SAGA_ID, "flight", "no such booking")]


def test_a_failed_undoing_that_was_done_after_all_ends_the_saga() -> None:
    trip = undoing_failed()
    trip.reply("free-flight:done")
    assert trip.instance.status == "COMPENSATED"


def test_a_pivot_without_a_reply_is_not_undone_but_handed_to_an_operator() -> None:
    trip = before_pay()
    for _ in range(3):
        trip.wake()
    assert trip.instance.status == "FORWARD_FAILED"
    assert trip.last.failure is not None
    assert trip.last.failure.step == "pay"


@pytest.mark.parametrize(("reply", "asked"), [("pay:done", "mail"), ("pay:refused", "free-flight")])
def test_a_late_reply_of_the_pivot_decides_the_saga(reply: str, asked: str) -> None:
    trip = before_pay()
    for _ in range(3):
        trip.wake()
    trip.reply(reply)
    assert trip.asks == asked


def test_what_is_refused_behind_the_pivot_is_not_undone() -> None:
    trip = forward_failed()
    assert trip.instance.status == "FORWARD_FAILED"
    assert {undo for _, undo in trip.states()} == {"idle"}


def test_replies_that_the_definition_does_not_expect_have_no_effect() -> None:
    assert Trip().reply("train:done") == Transition()
    assert Trip().reply("mail:done") == Transition()


def test_a_row_survives_its_encoding() -> None:
    for trip in (Trip(), undoing_failed(), forward_failed()):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(trip.instance), type=Instance) == trip.instance
