"""Inventory and shipping end the same whatever order their topics are read in."""

from types import ModuleType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain import inventory, shipping
from app.domain.events import Event
from app.domain.step import Timer
from tests.unit.choreography import READS, choreographies, react, standing
from tests.unit.order_events import NOW, interleavings
from tests.unit.parties import Fate, World


def run(rules: ModuleType, events: list[Event], fate: Fate) -> tuple[Any, set[int], World]:
    """The last row, what the service has told as standing, and the world, once its timers have come to rest."""
    fates: list[Fate] = [fate]
    world = World(lambda: fates[-1])
    row: Any = None
    told, timers = list[Event](), list[Timer]()
    causes: list[Event | Timer] = [*events]
    while causes:
        step = react(rules, row, causes.pop(0), NOW, world.perform)
        row = row if step.row is None else step.row
        told.extend(step.events)
        timers.extend(step.timers)
        if not causes:
            fates.append("served")
            causes, timers = [*timers], []
    return replace(row, emitted=0), standing(told), world


@pytest.mark.parametrize("fate", get_args(Fate))
@pytest.mark.parametrize("rules", [inventory, shipping], ids=["inventory", "shipping"])
@given(data=st.data())
def test_rows_and_outcomes_do_not_depend_on_the_order_between_topics(
    rules: ModuleType, fate: Fate, data: st.DataObject
) -> None:
    system = data.draw(choreographies)
    topics = [system.topics[topic] for topic in READS[rules]]
    row, told, world = run(rules, data.draw(interleavings(topics)), fate)
    other_row, other_told, other_world = run(rules, data.draw(interleavings(topics)), fate)
    assert (row, told) == (other_row, other_told)
    assert world.warehouse.standing == other_world.warehouse.standing
    assert world.carrier.standing == other_world.carrier.standing
