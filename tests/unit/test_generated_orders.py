"""The same seed makes the same orders, with a known share of every fate and fault."""

import pytest

from app.cli.producing.generator import FATES, HOT_ORDER_ITEMS, ORCHESTRATED, generate, mix_of
from app.cli.producing.orders import OUT_OF_STOCK, needed_stock

COUNT = 2_000


def test_an_order_depends_on_seed_and_index_only() -> None:
    assert list(generate(20, 7)) == list(generate(30, 7))[:20]
    assert list(generate(20, 7)) != list(generate(20, 8))


def test_another_run_has_the_same_orders_under_other_ids() -> None:
    first, second = list(generate(20, 7)), list(generate(20, 7, run="again"))
    assert [order.items for order in first] == [order.items for order in second]
    assert not {order.order_id for order in first} & {order.order_id for order in second}


def test_all_ids_of_a_run_differ() -> None:
    assert len({order.order_id for order in generate(COUNT, 7)}) == COUNT


@pytest.mark.parametrize("fate", FATES)
def test_each_fate_has_its_share(fate: str) -> None:
    assert mix_of(generate(COUNT, 7))[fate] == pytest.approx(FATES[fate] * COUNT, rel=0.3)


def test_a_share_of_the_orders_is_orchestrated_and_takes_no_items() -> None:
    orders = [order for order in generate(COUNT, 7) if order.fulfilment == "orchestration"]
    assert len(orders) == pytest.approx(ORCHESTRATED * COUNT * (1 - FATES["items-added"]), rel=0.3)
    assert not any(order.added for order in orders)
    assert mix_of(generate(COUNT, 7, orchestrated=0))["orchestrated"] == 0


def test_without_faults_there_are_none() -> None:
    assert not {"duplicates", "late", "hot-key"} & mix_of(generate(COUNT, 7)).keys()


@pytest.mark.parametrize(("fault", "share"), [("duplicates", 0.1), ("late", 0.05), ("hot-key", 0.27)])
def test_a_fault_has_its_share_and_changes_no_other_order(fault: str, share: float) -> None:
    plain, faulty = list(generate(COUNT, 7)), list(generate(COUNT, 7, faults=[fault]))
    assert mix_of(faulty)[fault] == pytest.approx(share * COUNT, rel=0.3)
    changed = [one != other for one, other in zip(plain, faulty, strict=True)]
    assert sum(changed) == mix_of(faulty)[fault]


def test_a_hot_key_adds_many_items_to_one_order() -> None:
    assert max(len(order.added) for order in generate(50, 7, faults=["hot-key"])) == HOT_ORDER_ITEMS


def test_added_items_are_stocked_and_the_missing_sku_never_is() -> None:
    orders = list(generate(COUNT, 7))
    needed = needed_stock(orders)
    items = [item for order in orders for item in (*order.items, *order.added) if item.sku != OUT_OF_STOCK]
    assert sum(needed.values()) == sum(item.quantity for item in items)
    assert OUT_OF_STOCK not in needed
