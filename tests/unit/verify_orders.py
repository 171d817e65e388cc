"""Orders as a clean system leaves them, for the tests of the check to plant their wrongs in."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from msgspec.structs import replace

from app.verify.model import INVENTORY, PAYMENTS, SHIPPING, Case, Effect, Event

CUSTOMER, PLACED_AT = "17850", 1_317_914_400_000_000
PEN = {"sku": "PEN", "quantity": 2, "unit_price_minor": 150}
CUP = {"sku": "CUP", "quantity": 1, "unit_price_minor": 700}


def event(order_id: str, version: int, kind: str, **payload: Any) -> Event:
    event_id = str(uuid5(NAMESPACE_OID, f"{order_id} {version} {kind}"))
    raw = f"{event_id} {payload}".encode()
    envelope = {"event_id": event_id, "order_id": order_id, "version": version, "type": kind, "raw": raw}
    return {**envelope, **payload}


def confirmed(order_id: str = "order-1") -> Case:
    """Two pens, then a cup; both versions paid, reserved and delivered together."""
    case = _placed(order_id)
    case.stored.append(event(order_id, 3, "OrderConfirmed", customer_id=CUSTOMER, currency="GBP", total_minor=1000))
    return _published(case)


def cancelled(order_id: str = "order-2") -> Case:
    """The same order, cancelled at its third version and undone everywhere."""
    case = _placed(order_id)
    case.stored.append(event(order_id, 3, "OrderCancelled", customer_id=CUSTOMER, reason="customer"))
    for version, amount in ((1, 300), (2, 700)):
        undone = {"order_version": version, "currency": "GBP", "amount_minor": amount}
        case.answers[PAYMENTS].append(event(order_id, 2 + version, "PaymentRefunded", **undone))
        case.answers[INVENTORY].append(event(order_id, 2 + version, "StockReleased", order_version=version))
    delivery = {"order_version": 1, "delivery_id": "delivery-1"}
    case.answers[SHIPPING].append(event(order_id, 2, "DeliveryCancelled", **delivery))
    case.charges = [_undone(effect) for effect in case.charges]
    case.reservations = [_undone(effect) for effect in case.reservations]
    case.deliveries = [_undone(effect) for effect in case.deliveries]
    return _published(case)


def orchestrated(order_id: str = "order-3") -> Case:
    """Two pens by a saga: held, reserved, delivered, confirmed and captured."""
    facts = {"customer_id": CUSTOMER, "currency": "GBP", "fulfilment": "orchestration"}
    created = event(order_id, 1, "OrderCreated", **facts, reference="R3", items=[PEN], placed_at=PLACED_AT)
    paid = {"order_version": 1, "currency": "GBP", "amount_minor": 300}
    case = Case(
        order_id=order_id,
        stored=[created, event(order_id, 2, "OrderConfirmed", customer_id=CUSTOMER, currency="GBP", total_minor=300)],
        answers={
            PAYMENTS: [event(order_id, 1, "PaymentReserved", **paid), event(order_id, 2, "PaymentCaptured", **paid)],
            INVENTORY: [event(order_id, 1, "StockReserved", order_version=1, items=[PEN])],
            SHIPPING: [event(order_id, 1, "DeliveryScheduled", order_version=1, delivery_id="delivery-3")],
        },
        charges=[replace(charge(1, 300), state="captured")],
        reservations=[effect(1, quantities={"PEN": 2})],
        deliveries=[effect(1, reference="delivery-3")],
    )
    return _published(case)


def compensated(order_id: str = "order-4") -> Case:
    """The same, whose stock was refused: the hold is released and the order cancelled."""
    case = orchestrated(order_id)
    case.stored[1] = event(order_id, 2, "OrderCancelled", customer_id=CUSTOMER, reason="stock rejected")
    case.answers[PAYMENTS][1] = event(order_id, 2, "PaymentReleased", order_version=1)
    case.answers[INVENTORY] = [event(order_id, 1, "StockRejected", order_version=1, sku="PEN", reason="out-of-stock")]
    del case.answers[SHIPPING]
    case.charges = [replace(case.charges[0], state="released", standing=False)]
    case.reservations, case.deliveries = [], []
    return _published(case)


def _placed(order_id: str) -> Case:
    facts = {"customer_id": CUSTOMER, "currency": "GBP", "fulfilment": "choreography"}
    created = event(order_id, 1, "OrderCreated", **facts, reference="R1", items=[PEN], placed_at=PLACED_AT)
    paid = {"customer_id": CUSTOMER, "currency": "GBP"}
    return Case(
        order_id=order_id,
        stored=[created, event(order_id, 2, "ItemAdded", **facts, item=CUP)],
        answers={
            PAYMENTS: [
                event(order_id, 1, "PaymentCompleted", **paid, order_version=1, amount_minor=300, items=[PEN]),
                event(order_id, 2, "PaymentCompleted", **paid, order_version=2, amount_minor=700, items=[CUP]),
            ],
            INVENTORY: [
                event(order_id, 1, "StockReserved", order_version=1, items=[PEN]),
                event(order_id, 2, "StockReserved", order_version=2, items=[CUP]),
            ],
            SHIPPING: [event(order_id, 1, "DeliveryScheduled", order_version=1, delivery_id="delivery-1")],
        },
        charges=[charge(1, 300), charge(2, 700)],
        reservations=[effect(1, quantities={"PEN": 2}), effect(2, quantities={"CUP": 1})],
        deliveries=[effect(1, reference="delivery-1")],
    )


def effect(order_version: int, **facts: Any) -> Effect:
    return Effect(order_version=order_version, state="done", standing=True, happened=True, **facts)


def charge(order_version: int, amount_minor: int) -> Effect:
    return replace(effect(order_version, amount_minor=amount_minor, currency="GBP"), state="charged")


def _undone(done: Effect) -> Effect:
    return Effect(
        order_version=done.order_version,
        state="undone",
        standing=False,
        happened=True,
        amount_minor=done.amount_minor,
        currency=done.currency,
        reference=done.reference,
        quantities=done.quantities,
    )


def _published(case: Case) -> Case:
    case.published = list(case.stored)
    return case
