"""The parties in memory, for the simulation without servers: they answer as the real ones do, at once and always.

They refuse the planted customers (`app.simulators.planted`), and a warehouse refuses what it has not received.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Generic, TypeAlias, TypeVar

from app.domain.calls import (
    CancelDeliveries,
    CancelledDeliveries,
    CancelledDelivery,
    Capture,
    Captured,
    Charge,
    Charged,
    Held,
    Hold,
    Refund,
    Refunds,
    Refused,
    Released,
    ReleaseStock,
    Reserve,
    Reserved,
    Schedule,
    Scheduled,
    VoidCharges,
    Voided,
)
from app.gateways.ports import CallRejectedError, CarrierAnswer, ProviderAnswer, WarehouseAnswer, not_understood
from app.simulators.planted import REFUSED_DELIVERY, REFUSED_PAYMENT, refusal

Key: TypeAlias = tuple[str, int]
CallT = TypeVar("CallT", Charge, Hold, Schedule, Reserve)


class Effects(Generic[CallT]):
    """What each key has come to. `standing` holds the calls whose effect stands, `undone` those taken back."""

    def __init__(self, party: str) -> None:
        self._party = party
        self.standing: dict[Key, CallT] = {}
        self.undone: dict[Key, CallT] = {}
        self._refused: dict[Key, Refused] = {}
        self._voided: set[Key] = set()

    def ask(self, call: CallT, refused: Refused | None) -> Refused | Voided | None:
        """None when the effect stands: from now on, or since the key was first used."""
        key = (call.order_id, call.order_version)
        if key in self._voided:
            return Voided()
        if key in self._refused:
            return self._refused[key]
        if key in self.standing and self.standing[key] != call:
            raise CallRejectedError(self._party, f"the key was used with {self.standing[key]}")
        if key not in self.standing and refused is not None:
            self._refused[key] = refused
            return refused
        self.standing[key] = call
        return None

    def undo(self, order_id: str, order_versions: Sequence[int]) -> list[CallT]:
        """Takes back and voids; those taken back, now or before, by version."""
        keys = [(order_id, version) for version in sorted(set(order_versions))]
        self._voided.update(keys)
        self.undone.update({key: self.standing.pop(key) for key in keys if key in self.standing})
        return [self.undone[key] for key in keys if key in self.undone]


class InMemoryProvider:
    """Performs `Charge`, `Hold`, `Capture` and `VoidCharges`."""

    def __init__(self) -> None:
        self.charges: Effects[Charge] = Effects("provider")
        self.holds: Effects[Hold] = Effects("provider")
        self.captured: dict[Key, Hold] = {}

    async def perform(self, call: object) -> ProviderAnswer:
        match call:
            case Charge():
                if call.amount_minor < 0:
                    raise CallRejectedError("provider", "an amount is below zero")
                refused = self.charges.ask(call, _planted(call.customer_id, REFUSED_PAYMENT))
                return refused or Charged(f"payment-{call.order_id}-{call.order_version}")
            case Hold():
                refused = self.holds.ask(call, _planted(call.customer_id, REFUSED_PAYMENT))
                return refused or Held(f"payment-{call.order_id}-{call.order_version}")
            case Capture():
                return self._capture((call.order_id, call.order_version))
            case VoidCharges():
                return self._void(call)
            case _:
                raise not_understood("provider", call)

    def _void(self, call: VoidCharges) -> Refunds:
        held = self.holds.undo(call.order_id, call.order_versions)
        captured = [hold for hold in held if (hold.order_id, hold.order_version) in self.captured]
        charged: list[Charge | Hold] = [*self.charges.undo(call.order_id, call.order_versions), *captured]
        charged.sort(key=lambda one: one.order_version)
        return Refunds(tuple(Refund(one.order_version, one.currency, one.amount_minor) for one in charged))

    def _capture(self, key: Key) -> Captured | Refused:
        hold = self.holds.standing.get(key)
        if hold is None:
            return Refused("not-held", code="expired")
        self.captured[key] = hold
        return Captured(hold.currency, hold.amount_minor)

    async def close(self) -> None:
        """Nothing to give back."""


class InMemoryCarrier:
    """Performs `Schedule` and `CancelDeliveries`."""

    def __init__(self) -> None:
        self.deliveries: Effects[Schedule] = Effects("carrier")

    async def perform(self, call: object) -> CarrierAnswer:
        match call:
            case Schedule():
                refused = self.deliveries.ask(call, _planted(call.customer_id, REFUSED_DELIVERY))
                return refused or Scheduled(_delivery_id(call))
            case CancelDeliveries():
                undone = self.deliveries.undo(call.order_id, call.order_versions)
                return CancelledDeliveries(tuple(CancelledDelivery(c.order_version, _delivery_id(c)) for c in undone))
            case _:
                raise not_understood("carrier", call)

    async def close(self) -> None:
        """Nothing to give back."""


class InMemoryWarehouse:
    """Performs `Reserve` and `ReleaseStock`, and takes stock in. `received - reserved` is what is left of a sku."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()
        self.reservations: Effects[Reserve] = Effects("warehouse")
        self._receipts: set[str] = set()

    async def perform(self, call: object) -> WarehouseAnswer:
        match call:
            case Reserve():
                return self._reserve(call)
            case ReleaseStock():
                return self._release(call)
            case _:
                raise not_understood("warehouse", call)

    def _reserve(self, call: Reserve) -> WarehouseAnswer:
        _check_quantities([item.quantity for item in call.items])
        stood = (call.order_id, call.order_version) in self.reservations.standing
        refused = self.reservations.ask(call, self._lacking(call))
        if refused is None and not stood:
            self.reserved.update(_wanted(call))
        return refused or Reserved()

    def _release(self, call: ReleaseStock) -> Released:
        stood = set(self.reservations.standing)
        released = self.reservations.undo(call.order_id, call.order_versions)
        for reservation in released:
            if (reservation.order_id, reservation.order_version) in stood:
                self.reserved.subtract(_wanted(reservation))
        return Released(tuple(reservation.order_version for reservation in released))

    def _lacking(self, call: Reserve) -> Refused | None:
        for sku, quantity in sorted(_wanted(call).items()):
            if sku not in self.received:
                return Refused("unknown-sku", sku, "unknown_sku")
            if self.received[sku] - self.reserved[sku] < quantity:
                return Refused("out-of-stock", sku, "out_of_stock")
        return None

    async def receive(self, receipt_id: str, lines: Sequence[tuple[str, int]]) -> bool:
        """Adds the quantity of each sku once for each `receipt_id`; False when that receipt was there before."""
        _check_quantities([quantity for _, quantity in lines])
        if receipt_id in self._receipts:
            return False
        self._receipts.add(receipt_id)
        for sku, quantity in lines:
            self.received[sku] += quantity
        return True

    async def close(self) -> None:
        """Nothing to give back."""


def _planted(customer_id: str, prefix: str) -> Refused | None:
    reason = refusal(customer_id, prefix)
    return None if reason is None else Refused(reason)


def _delivery_id(call: Schedule) -> str:
    return f"delivery-{call.order_id}-{call.order_version}"


def _check_quantities(quantities: Sequence[int]) -> None:
    if any(quantity <= 0 for quantity in quantities):
        raise CallRejectedError("warehouse", "a quantity is not above zero")


def _wanted(call: Reserve) -> Counter[str]:
    """The quantity of each sku; a sku may stand in several lines."""
    wanted: Counter[str] = Counter()
    for item in call.items:
        wanted[item.sku] += item.quantity
    return wanted
