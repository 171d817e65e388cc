"""What is known of an orchestrated order, and the messages that its saga's commands become."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.calls import Cancel, Confirm
from app.domain.events import Event, Items, Micros
from app.domain.orders import CancelOrder, ConfirmOrder
from app.domain.requests import (
    TO_INVENTORY,
    TO_PAYMENTS,
    TO_SHIPPING,
    ReservePayment,
    ReserveStock,
    ScheduleDelivery,
    ServiceCommand,
)
from app.domain.service import AnswerEnvelope
from app.domain.step import Timer
from app.domain.streams import origin
from app.sagas.instance import Command, Instance

DECISIONS = frozenset({ConfirmOrder.__name__, CancelOrder.__name__})


class Placed(Struct, frozen=True, array_like=True, gc=False):
    """What the services need to know of the order to do their part."""

    customer_id: str
    currency: str
    items: Items


class OrchestrationRow(Struct, frozen=True, array_like=True, gc=False):
    """The saga of one order, the versions seen of each topic, and how many commands each service was sent.

    What was placed is forgotten once the saga has ended: to undo something takes no more than its version.
    """

    order_version: int
    placed: Placed | None
    saga: Instance
    orders: int = 0
    payments: int = 0
    inventory: int = 0
    shipping: int = 0
    to_payments: int = 0
    to_inventory: int = 0
    to_shipping: int = 0


_STREAMS: dict[str, tuple[type[ServiceCommand], str]] = {
    kind.__name__: (kind, field)
    for field, kinds in {"to_payments": TO_PAYMENTS, "to_inventory": TO_INVENTORY, "to_shipping": TO_SHIPPING}.items()
    for kind in kinds
}
_PAYLOADS: dict[type[ServiceCommand], Callable[[Placed], dict[str, Any]]] = {
    ReservePayment: lambda placed: {
        "customer_id": placed.customer_id,
        "currency": placed.currency,
        "amount_minor": sum(item.total_minor for item in placed.items),
    },
    ReserveStock: lambda placed: {"customer_id": placed.customer_id, "items": placed.items},
    ScheduleDelivery: lambda placed: {"customer_id": placed.customer_id},
}


def sent(
    row: OrchestrationRow, command: Command, cause: Event | Timer, now: Micros
) -> tuple[OrchestrationRow, ServiceCommand]:
    """The command as a message to its service, counted in the row."""
    kind, field = _STREAMS[command.name]
    version = getattr(row, field) + 1
    order_id, causation_id, correlation_id = origin(cause)
    envelope = AnswerEnvelope(
        event_id=command.id,
        order_id=order_id,
        version=version,
        occurred_at=now,
        correlation_id=correlation_id,
        causation_id=causation_id,
        order_version=row.order_version,
    )
    payload = _PAYLOADS[kind](row.placed) if kind in _PAYLOADS and row.placed is not None else {}
    return replace(row, **{field: version}), kind(**envelope, **payload)


def decision(row: OrchestrationRow, command: Command, cause: Event | Timer, because: str) -> Confirm | Cancel:
    """The command as a call to the store. A confirm names the same cause, `because`, at every attempt: the store then
    knows one whose answer was lost."""
    order_id, causation_id, correlation_id = origin(cause)
    if command.name == CancelOrder.__name__:
        return Cancel(
            order_id=order_id, reason=row.saga.reason, causation_id=causation_id, correlation_id=correlation_id
        )
    return Confirm(
        order_id=order_id, order_version=row.order_version, causation_id=because, correlation_id=correlation_id
    )
