"""Events of one order, short to write, and the strategies that make histories of them."""

from typing import Any, TypeVar
from uuid import UUID, uuid5

from hypothesis import strategies as st

from app.domain.events import Event, EventVoided, Item, ItemAdded, OrderCancelled, OrderConfirmed, OrderCreated

EventT = TypeVar("EventT", bound=Event)

ORDER_ID = "0b6f2f0e-6f5d-4f5c-9a43-1d2f3c4b5a69"
CUSTOMER_ID = "customer-1"
SEALED_NAME, SEALED_ADDRESS = "c2VhbGVkIG5h" * 5, "c2VhbGVkIGFk" * 6
PLACED_AT = 1_700_000_000_000_000
NOW = PLACED_AT + 1_000_000

items = st.builds(
    Item,
    sku=st.sampled_from(["apple", "pear", "plum"]),
    quantity=st.integers(1, 9),
    unit_price_minor=st.integers(0, 99),
)

_PAYLOADS: dict[str, Any] = {
    "customer_id": CUSTOMER_ID,
    "currency": "GBP",
    "reference": "R-1",
    "items": (Item(sku="apple", quantity=2, unit_price_minor=150),),
    "item": Item(sku="pear", quantity=1, unit_price_minor=80),
    "fulfilment": "choreography",
    "placed_at": PLACED_AT,
    "customer_name": SEALED_NAME,
    "delivery_address": SEALED_ADDRESS,
    "total_minor": 300,
    "amount_minor": 300,
    "order_version": 1,
    "reason": "no",
    "code": "declined",
    "status": "pending",
    "sku": "apple",
    "delivery_id": "delivery-1",
    "step": "payment",
    "operator": "ada",
    "action": "retry",
}


def event(kind: type[EventT], version: int, **payload: Any) -> EventT:
    """An event of the order, with a usual value in every field that is not given."""
    envelope = {
        "event_id": str(uuid5(UUID(ORDER_ID), f"{kind.__name__}-{version}")),
        "order_id": ORDER_ID,
        "version": version,
        "occurred_at": NOW,
        "correlation_id": ORDER_ID,
        "causation_id": ORDER_ID,
    }
    usual = {name: _PAYLOADS[name] for name in kind.__struct_fields__ if name not in envelope}
    return kind(**{**envelope, **usual, **payload})


@st.composite
def order_histories(
    draw: st.DrawFn, *, ends: tuple[type[Event], ...] = (OrderConfirmed, OrderCancelled)
) -> list[Event]:
    """All events of an order that has ended in one of these ways; some that it had were voided."""
    created = event(OrderCreated, 1, items=tuple(draw(st.lists(items, min_size=1, max_size=3))))
    added = [
        event(ItemAdded, version, item=draw(items)) if draw(st.booleans()) else event(EventVoided, version)
        for version in range(2, 2 + draw(st.integers(0, 3)))
    ]
    return [created, *added, event(draw(st.sampled_from(ends)), len(added) + 2)]


@st.composite
def interleavings(draw: st.DrawFn, streams: list[list[EventT]]) -> list[EventT]:
    """One list of all events that keeps the order of each stream."""
    turns = [index for index, stream in enumerate(streams) for _ in stream]
    rest = [iter(stream) for stream in streams]
    return [next(rest[index]) for index in draw(st.permutations(turns))]
