"""The version guard, and what a cause passes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import ItemAdded
from app.domain.streams import VersionGapError, is_next, origin, timer_after
from app.errors import PermanentError
from tests.unit.order_events import NOW, ORDER_ID, event


@given(st.integers(1, 1_000))
def test_the_first_version_may_be_any(version: int) -> None:
    assert is_next(0, event(ItemAdded, version))


@given(st.integers(1, 1_000), st.integers(1, 2_000))
def test_after_that_only_the_next_version_is_new(seen: int, version: int) -> None:
    if version > seen + 1:
        with pytest.raises(VersionGapError, match=f"find version {seen + 1}"):
            is_next(seen, event(ItemAdded, version))
    else:
        assert is_next(seen, event(ItemAdded, version)) == (version == seen + 1)


@given(st.integers(-5, 0))
def test_a_version_before_the_first_is_none(version: int) -> None:
    assert not is_next(0, event(ItemAdded, version))


def test_a_gap_is_refused_for_good() -> None:
    assert issubclass(VersionGapError, PermanentError)


def test_a_timer_stands_for_the_event_that_set_it() -> None:
    cause = event(ItemAdded, 2)
    timer = timer_after(cause, "void", 5, NOW)
    assert (timer.key, timer.due_at) == (ORDER_ID, NOW + 5_000_000)
    assert origin(timer) == origin(cause) == (ORDER_ID, cause.event_id, cause.correlation_id)
