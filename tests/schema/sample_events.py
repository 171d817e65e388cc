"""One event of every type, the same in every run."""

from base64 import urlsafe_b64encode
from uuid import NAMESPACE_OID, uuid5

from app.domain import events, requests
from app.domain.events import Event, Fulfilment, Item

ITEMS = (
    Item(sku="85123A", quantity=6, unit_price_minor=255),
    Item(sku="22423 Früh\u00a0stück", quantity=1_000_000, unit_price_minor=0),
)
CHOREOGRAPHY: Fulfilment = "choreography"
# of the length that sealed texts have; what is in them is nobody's business here
SEALED_NAME, SEALED_ADDRESS = (urlsafe_b64encode(bytes(range(size))).decode() for size in (56, 84))


def identity(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


ENVELOPE = {
    "event_id": identity("event"),
    "order_id": identity("order"),
    "version": 3,
    "occurred_at": 1_317_914_400_123_456,
    "correlation_id": identity("correlation"),
    "causation_id": identity("causation"),
}
PAYLOADS: dict[type[Event], dict[str, object]] = {
    events.OrderCreated: {
        "customer_id": "12923",
        "currency": "GBP",
        "reference": "569901",
        "items": ITEMS,
        "fulfilment": CHOREOGRAPHY,
        "placed_at": 1_317_914_400_000_000,
        "customer_name": SEALED_NAME,
        "delivery_address": SEALED_ADDRESS,
    },
    events.ItemAdded: {
        "customer_id": "12923",
        "currency": "GBP",
        "item": ITEMS[0],
        "fulfilment": "orchestration",
    },
    events.OrderConfirmed: {"customer_id": "12923", "currency": "GBP", "total_minor": 1530},
    events.OrderCancelled: {"customer_id": "12923", "reason": "payment refused"},
    events.PaymentCompleted: {
        "order_version": 1,
        "customer_id": "12923",
        "currency": "GBP",
        "amount_minor": 1530,
        "items": ITEMS,
        "fulfilment": CHOREOGRAPHY,
    },
    events.PaymentFailed: {
        "order_version": 1,
        "currency": "GBP",
        "amount_minor": 1530,
        "reason": "unavailable",
        "code": "unavailable",
    },
    events.PaymentRefunded: {"order_version": 1, "currency": "GBP", "amount_minor": 1530},
    events.PaymentReserved: {"order_version": 1, "currency": "GBP", "amount_minor": 1530},
    events.PaymentCaptured: {"order_version": 1, "currency": "GBP", "amount_minor": 1530},
    events.PaymentCaptureRefused: {"order_version": 1, "reason": "expired", "code": "expired"},
    events.PaymentReleased: {"order_version": 1},
    events.PaymentReleaseRefused: {"order_version": 1, "reason": "disputed", "code": "disputed"},
    events.StockReserved: {
        "order_version": 1,
        "customer_id": "12923",
        "items": ITEMS,
        "fulfilment": CHOREOGRAPHY,
    },
    events.StockRejected: {"order_version": 1, "sku": "85123A", "reason": "2 left of 6", "code": "out_of_stock"},
    events.StockReleased: {"order_version": 1},
    events.StockVoided: {"order_version": 1},
    events.DeliveryScheduled: {"order_version": 1, "delivery_id": "D-17"},
    events.DeliveryRejected: {"order_version": 1, "reason": "no such street", "code": "declined"},
    events.DeliveryCancelled: {"order_version": 1, "delivery_id": "D-17"},
    events.DeliveryVoided: {"order_version": 1},
    requests.ReservePayment: {"order_version": 1, "customer_id": "12923", "currency": "GBP", "amount_minor": 1530},
    requests.CapturePayment: {"order_version": 1},
    requests.ReleasePayment: {"order_version": 1},
    requests.SettleRefund: {"action": "skip", "operator": "ada", "reason": "written off"},
    requests.ReserveStock: {"order_version": 1, "customer_id": "12923", "items": ITEMS},
    requests.ReleaseStock: {"order_version": 1},
    requests.ScheduleDelivery: {"order_version": 1, "customer_id": "12923"},
    requests.CancelDelivery: {"order_version": 1},
    requests.RetryStep: {"step": "payment", "operator": "ada", "reason": "the provider is back"},
    requests.SkipStep: {"step": "payment", "operator": "ada", "reason": "written off"},
    requests.ResolveStep: {"step": "payment", "operator": "ada", "reason": "refunded by hand"},
    events.StockReleaseRefused: {"order_version": 1, "reason": "unavailable", "code": "unavailable"},
    events.DeliveryCancelRefused: {"order_version": 1, "reason": "unavailable", "code": "unavailable"},
    requests.SettleStock: {"action": "retry", "operator": "ada", "reason": "the warehouse is back"},
    requests.SettleDelivery: {"action": "resolve", "operator": "ada", "reason": "called the carrier"},
    events.EventVoided: {"reason": "a bug wrote it", "status": "pending"},
}
SAMPLES: tuple[Event, ...] = tuple(
    event_type(**{**ENVELOPE, **payload})  # type: ignore[arg-type]
    for event_type, payload in PAYLOADS.items()
)
ORDER_CREATED, DELIVERY_SCHEDULED = SAMPLES[0], SAMPLES[16]
