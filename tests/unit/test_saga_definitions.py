"""What a definition may be, and which versions of it a process needs."""

from datetime import timedelta

import msgspec
import pytest

from app.sagas.definition import DefinitionError, Retry, Step
from app.sagas.definitions import Definitions, MissingVersionError
from tests.unit.saga_trip import TRIP, Trip, undoing_failed
from tests.unit.saga_world import SAGA_ID, ask, definition


def test_an_endless_retry_repeats_its_last_wait() -> None:
    retry = Retry((timedelta(seconds=1), timedelta(seconds=2)), endless=True)
    assert [retry.wait_after(failures) for failures in (1, 2, 9)] == [timedelta(seconds=wait) for wait in (1, 2, 2)]


def test_an_instance_keeps_the_version_it_began_with_and_new_ones_begin_on_the_newest() -> None:
    newer = definition(*TRIP.steps[:2], version=2)
    versions = Definitions(TRIP, newer)
    assert versions.of(Trip().instance) is TRIP
    assert versions.newest("trip") is newer
    assert list(versions) == [TRIP, newer]


def test_a_process_without_a_version_in_use_is_refused_with_the_instances_that_need_it() -> None:
    newer = Definitions(definition(*TRIP.steps[:2], version=2))
    under_way, ended = Trip().instance, undoing_failed()
    ended.operate("skip", "flight")
    newer.check([ended.instance])
    with pytest.raises(MissingVersionError, match=f"trip version 1 is in use by {SAGA_ID};"):
        newer.check([under_way])
    with pytest.raises(MissingVersionError, match=" and 2 more;"):
        newer.check([under_way] * 7)
    with pytest.raises(MissingVersionError):
        newer.of(under_way)


GOOD = Step(name="a", do=ask("a"))
BAD: dict[str, tuple[Step, ...]] = {
    "no step does anything": (Step(name="a"),),
    "two steps have the same name": (GOOD, Step(name="a", do=ask("b"))),
    "a reply answers two things": (GOOD, Step(name="b", do=ask("a"))),
    "it has two pivots": (Step(name="a", do=ask("a"), pivot=True), Step(name="b", do=ask("b"), pivot=True)),
    "never undone": (Step(name="a", do=ask("a"), undo=ask("b"), pivot=True),),
    "comes before the pivot": (Step(name="a", do=ask("a"), pivot=True), Step(name="b")),
    "waits for no time": (Step(name="a", do=ask("a", timeout_s=0)),),
    "repeated for ever": (Step(name="a", do=ask("a", endless=True)),),
    "no reply that says": (Step(name="a", do=msgspec.structs.replace(ask("a"), done=())),),
}


@pytest.mark.parametrize("problem", BAD)
def test_a_definition_that_cannot_end_is_refused(problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        definition(*BAD[problem])


def test_two_definitions_of_one_version_are_refused() -> None:
    with pytest.raises(DefinitionError, match="next version"):
        Definitions(TRIP, TRIP)
