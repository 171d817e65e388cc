"""A new version of the saga's definition, deployed while orders are under way on the old one."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from app.domain import orchestration
from app.domain.fulfilment_saga import FULFILMENT_V1
from app.sagas.definitions import Definitions, MissingVersionError
from tests.topology.orchestrated import Orchestrated

UNDELIVERED = tuple(step for step in FULFILMENT_V1.steps if step.name != "delivery")
FULFILMENT_V2 = replace(FULFILMENT_V1, version=2, steps=UNDELIVERED)


@pytest.fixture
def system() -> Iterator[Orchestrated]:
    with Orchestrated() as system:
        yield system


@pytest.fixture
def under_way(system: Orchestrated) -> str:
    """An order that waits for its delivery."""
    system.carrier.fails("unreachable", until_us=system.in_s(30))
    order_id = system.place(fulfilment="orchestration")
    system.settle()
    return order_id


def test_each_order_ends_on_the_version_that_it_began_with(
    system: Orchestrated, under_way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestration, "SAGAS", Definitions(FULFILMENT_V1, FULFILMENT_V2))
    system.driver.crash()
    later = system.place(number=2, fulfilment="orchestration")
    system.settle(120)
    assert {system.order(order_id).status for order_id in (under_way, later)} == {"confirmed"}
    assert {order_id: row.saga.version for order_id, row in system.sagas().items()} == {under_way: 1, later: 2}
    assert [order_id for order_id, _ in system.delivery_book.deliveries.standing] == [under_way]


def test_a_worker_without_a_version_in_use_refuses_and_names_the_orders(
    system: Orchestrated, under_way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestration, "SAGAS", Definitions(FULFILMENT_V2))
    with pytest.raises(MissingVersionError, match=f"fulfilment version 1 is in use by {under_way}; start a release"):
        system.driver.crash()


def test_a_version_that_no_order_is_under_way_on_may_go(system: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = system.place(fulfilment="orchestration")
    system.settle()
    monkeypatch.setattr(orchestration, "SAGAS", Definitions(FULFILMENT_V2))
    system.driver.crash()
    later = system.place(number=2, fulfilment="orchestration")
    system.settle()
    assert {system.order(order_id).status for order_id in (ended, later)} == {"confirmed"}
    assert {order_id: row.saga.version for order_id, row in system.sagas().items()} == {ended: 1, later: 2}
