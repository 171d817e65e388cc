"""Which letters are of one bug."""

import traceback
from collections.abc import Callable
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.deadletters.grouping import Failure, normalised, words

values = st.text(st.characters(codec="utf-8", exclude_characters="'\\\n"), max_size=20)
numbers = st.integers(-(10**12), 10**12)
places = st.lists(st.sampled_from(["srv", "app", "v1.2", "site-packages", "home"]), min_size=1, max_size=4)


def stack_of(raising: Callable[[], object]) -> str:
    try:
        raising()
    except Exception as error:  # noqa: BLE001 - what the test raises
        return "".join(traceback.format_exception(error))
    raise AssertionError("it raised nothing")


def failing(order: str, count: int, said: str) -> None:
    raise ValueError(f"order {order} has {count} of {said!r} at 0x{count & 0xFFFF_FFFF:08x}")


def failing_elsewhere(order: str, count: int, said: str) -> None:
    raise ValueError(f"order {order} has {count} of {said!r} at 0x{count & 0xFFFF_FFFF:08x}")


@given(st.uuids(), st.uuids(), numbers, numbers, values, values)
def test_one_bug_with_other_ids_and_values_is_one_group(
    order: UUID, other: UUID, count: int, another: int, said: str, something: str
) -> None:
    def stack(one: UUID, number: int, text: str) -> str:
        return normalised(stack_of(lambda: failing(str(one), number, text)))

    assert stack(order, count, said) == stack(other, another, something)


@given(places, places, st.integers(1, 9_999), st.integers(1, 9_999))
def test_another_installation_and_other_line_numbers_are_the_same_group(
    here: list[str], there: list[str], line: int, other: int
) -> None:
    def stack(place: list[str], number: int) -> str:
        path = "/".join(["", *place, "app", "streaming", "lanes.py"])
        return f'Traceback:\n  File "{path}", line {number}, in handle\n    handle()\nValueError: no'

    assert normalised(stack(here, line)) == normalised(stack(there, other))


def test_the_same_error_raised_elsewhere_is_another_group() -> None:
    first = normalised(stack_of(lambda: failing("a", 1, "b")))
    second = normalised(stack_of(lambda: failing_elsewhere("a", 1, "b")))
    assert first != second


@given(st.text(max_size=300))
def test_any_text_is_normalised_once_and_for_all(stack: str) -> None:
    """And without a value in quotes, however it is put."""
    once = words(stack)
    assert words(once) == once


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_the_id_of_a_group_tells_its_parts_apart(exception: str, topic: str, schema: str) -> None:
    def failure(**parts: str) -> Failure:
        return Failure(**{"exception": exception, "stack": "", "topic": topic, "schema": schema, "group": "g"} | parts)

    assert failure().id == failure().id
    assert failure().id != failure(group="h").id
    assert failure().id != failure(schema=schema + "x").id
