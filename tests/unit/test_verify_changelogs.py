"""The rows of the changelogs are held to the events, also what they have sealed and what older releases stored."""

from typing import Any

import msgspec
import pytest

from app.verify.changelogs import ORDER, Stored, compare
from app.verify.expected import SEALED, order_row, rows
from app.verify.model import Case, Difference
from tests.unit.verify_orders import confirmed

GIVEN = dict(zip(SEALED, ("c2VhbGVkIG5hbWU=", "c2VhbGVkIGFkZHJlc3M="), strict=True))


def case_of(**sealed: str) -> Case:
    case = confirmed()
    case.stored[0].update(sealed)
    return case


def stored(case: Case, **sealed: str) -> list[Any]:
    """The parts of the order's row, as the table holds them."""
    row = {**dict.fromkeys(ORDER, 0), **order_row(case), **dict.fromkeys(SEALED, ""), **sealed}
    lines = [msgspec.json.encode([line["sku"], line["quantity"]]) for line in row["lines"]]
    return [b"\n".join(lines) if name == "lines" else row[name] for name in ORDER]


def differences(case: Case, parts: list[Any]) -> list[Difference]:
    held = Stored("order_summaries", (case.order_id,), msgspec.msgpack.encode(parts))
    found = compare([held], rows([case]), {case.order_id: case})
    return [one for one in found if "order_summaries" in one.subject]


def test_a_row_with_what_its_event_has_sealed_is_no_difference() -> None:
    case = case_of(**GIVEN)
    assert differences(case, stored(case, **GIVEN)) == []


@pytest.mark.parametrize("held", [{}, {**GIVEN, "customer_name": "b3RoZXI="}])
def test_a_row_that_has_something_else_sealed_is_a_difference(held: dict[str, str]) -> None:
    case = case_of(**GIVEN)
    found = differences(case, stored(case, **held))
    assert found
    assert {one.subject.split()[-1] for one in found} <= set(SEALED)


def test_a_row_of_an_older_release_has_nothing_sealed() -> None:
    assert differences(case_of(), stored(case_of())[: -len(SEALED)]) == []
    [lacking, _] = differences(case_of(**GIVEN), stored(case_of())[: -len(SEALED)])
    assert (lacking.kind, lacking.actual) == ("changelog", "")


@pytest.mark.parametrize("parts", [[], stored(case_of())[:-1], [*stored(case_of()), 0]])
def test_what_is_no_row_is_shown_as_it_is(parts: list[Any]) -> None:
    [found] = differences(case_of(), parts)
    assert found.actual == msgspec.msgpack.encode(parts).hex()
