"""What the fulfilment saga asks of the services, and operators of it: commands, one class per Avro schema.

A command has the envelope of an event. `version` is its position among the order's commands to that service, from 1.
A service answers every command, a repeated one as it did the first time.
"""

from app.domain.events import Event, Items
from app.domain.fields import Action, Currency, Minor, Name, Text, Version


class ServiceCommand(Event, frozen=True, kw_only=True, gc=False):
    """A command about one version of the order (`order_version`), which is the key of its effect."""

    order_version: Version


class ReservePayment(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `PaymentReserved` or `PaymentFailed`."""

    customer_id: Name
    currency: Currency
    amount_minor: Minor


class CapturePayment(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `PaymentCaptured` or `PaymentCaptureRefused`."""


class ReleasePayment(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `PaymentReleased`, also when nothing was held, or `PaymentReleaseRefused`."""


class ReserveStock(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `StockReserved` or `StockRejected`."""

    customer_id: Name
    items: Items


class ReleaseStock(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `StockReleased` or, when nothing was reserved, `StockVoided`."""


class ScheduleDelivery(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `DeliveryScheduled` or `DeliveryRejected`."""

    customer_id: Name


class CancelDelivery(ServiceCommand, frozen=True, kw_only=True, gc=False):
    """Answered `DeliveryCancelled` or, when none was scheduled, `DeliveryVoided`."""


class SagaOperation(Event, frozen=True, kw_only=True, gc=False):
    """What an operator asks of the saga of this order, about a step that failed for good. It has effect once.

    `version` says nothing here: operators do not count.
    """

    step: Name
    operator: Name
    reason: Text


class RetryStep(SagaOperation, frozen=True, kw_only=True, gc=False):
    """Asks again, with all attempts."""


class SkipStep(SagaOperation, frozen=True, kw_only=True, gc=False):
    """Goes on without it: it stays as it is."""


class ResolveStep(SagaOperation, frozen=True, kw_only=True, gc=False):
    """Goes on: it was done by hand."""


class Settlement(Event, frozen=True, kw_only=True, gc=False):
    """What an operator asks about the undoing of a choreographed order that has failed for good. It has effect once.

    `version` says nothing here: operators do not count.
    """

    action: Action
    operator: Name
    reason: Text


class SettleRefund(Settlement, frozen=True, kw_only=True, gc=False):
    """Of its payments."""


class SettleStock(Settlement, frozen=True, kw_only=True, gc=False):
    """Of its reservations."""


class SettleDelivery(Settlement, frozen=True, kw_only=True, gc=False):
    """Of its delivery."""


TO_PAYMENTS: tuple[type[ServiceCommand], ...] = (ReservePayment, CapturePayment, ReleasePayment)
TO_INVENTORY: tuple[type[ServiceCommand], ...] = (ReserveStock, ReleaseStock)
TO_SHIPPING: tuple[type[ServiceCommand], ...] = (ScheduleDelivery, CancelDelivery)
TO_FULFILMENT: tuple[type[SagaOperation], ...] = (RetryStep, SkipStep, ResolveStep)
SETTLEMENTS: tuple[type[Settlement], ...] = (SettleRefund, SettleStock, SettleDelivery)
