"""The outside world in memory: a provider, a warehouse, a carrier, and the store of one order."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid5

from app.domain import calls, orders
from app.domain.events import Event, EventVoided, OrderCancelled, OrderConfirmed
from tests.unit.order_events import NOW, ORDER_ID, event

# lost: done, yet not answered
Fate: TypeAlias = Literal["served", "refused", "lost", "unreachable"]


class UnansweredError(Exception):
    """The party did not answer: whether it did what was asked is not known."""


class Party:
    """Keeps what it did by order version; an undone version never has effect again."""

    def __init__(self, fate: Callable[[], Fate]) -> None:
        self._fate = fate
        self.done: dict[int, Any] = {}
        self.voided: set[int] = set()
        self._refused: set[int] = set()

    @property
    def standing(self) -> dict[int, Any]:
        return {version: effect for version, effect in self.done.items() if version not in self.voided}

    def ask(self, version: int, effect: Any) -> object | None:
        """None when it is done, else the answer that it is not."""
        fate = self._fate()
        if fate == "unreachable":
            raise UnansweredError
        if version in self.voided:
            answer: object | None = calls.Voided()
        elif version in self._refused or (fate == "refused" and version not in self.done):
            self._refused.add(version)
            answer = calls.Refused("no")
        else:
            self.done.setdefault(version, effect)
            answer = None
        if fate == "lost":
            raise UnansweredError
        return answer

    def undo(self, versions: Iterable[int]) -> list[int]:
        """Those of the versions that had been done."""
        fate = self._fate()
        if fate == "unreachable":
            raise UnansweredError
        self.voided.update(versions)
        if fate == "lost":
            raise UnansweredError
        return [version for version in versions if version in self.done]


class Provider(Party):
    """What is held is charged once it is captured."""

    def __init__(self, fate: Callable[[], Fate]) -> None:
        super().__init__(fate)
        self.captured: set[int] = set()

    def capture(self, version: int) -> int:
        fate = self._fate()
        if fate == "unreachable":
            raise UnansweredError
        self.captured.add(version)
        if fate == "lost":
            raise UnansweredError
        amount: int = self.standing[version]
        return amount


class World:
    """Provider, warehouse, carrier and the store of the order."""

    def __init__(self, fate: Callable[[], Fate]) -> None:
        self._fate = fate
        self.provider, self.warehouse, self.carrier = Provider(fate), Party(fate), Party(fate)
        self.store: list[Event] = []

    @property
    def order(self) -> orders.Order | None:
        order = None
        for each in self.store:
            order = orders.evolve(order, each)
        return order

    def command(self, command: orders.Command, causation_id: str | None = None) -> None:
        """Append what the command leads to; without a cause it has an id of its own."""
        causation_id = causation_id or str(uuid5(UUID(ORDER_ID), f"command {len(self.store)}"))
        self.store.extend(orders.decide(self.order, command, causation_id=causation_id, now=NOW))

    def try_command(self, command: orders.Command) -> None:
        """A command that comes too late changes nothing."""
        with suppress(orders.OrderEndedError):
            self.command(command)

    def void(self) -> None:
        """What is read in place of an event that nobody has read."""
        assert self.order is not None
        self.store.append(event(EventVoided, self.order.version + 1, status=self.order.status))

    def perform(self, call: object) -> object:
        match call:
            case calls.Charge():
                return self.provider.ask(call.order_version, call.amount_minor) or calls.Charged("payment")
            case calls.Hold():
                return self.provider.ask(call.order_version, call.amount_minor) or calls.Held("payment")
            case calls.Capture():
                return calls.Captured("GBP", self.provider.capture(call.order_version))
            case calls.VoidCharges():
                undone = self.provider.undo(call.order_versions)
                return calls.Refunds(tuple(calls.Refund(v, "GBP", self.provider.done[v]) for v in undone))
            case calls.Reserve():
                return self.warehouse.ask(call.order_version, call.items) or calls.Reserved()
            case calls.ReleaseStock():
                return calls.Released(tuple(self.warehouse.undo(call.order_versions)))
            case calls.Schedule():
                return self.carrier.ask(call.order_version, "delivery") or calls.Scheduled("delivery")
            case calls.CancelDeliveries():
                undone = self.carrier.undo(call.order_versions)
                return calls.CancelledDeliveries(tuple(calls.CancelledDelivery(v, "delivery") for v in undone))
            case calls.Confirm() | calls.Cancel():
                return self._decide(call)
        raise AssertionError(f"nobody performs {call}")

    def _decide(self, call: calls.Confirm | calls.Cancel) -> object:
        fate, order = self._fate(), self.order
        if fate == "unreachable":
            raise UnansweredError
        if (known := self._decided(call)) is not None:
            return known
        if order is None or order.status != "pending":
            return calls.Superseded(0 if order is None else order.version)
        if isinstance(call, calls.Confirm) and order.version != call.order_version:
            return calls.Superseded(order.version)
        self.command(_command(call), call.causation_id)
        if fate == "lost":
            raise UnansweredError
        return calls.Decided(order.version + 1)

    def _decided(self, call: calls.Confirm | calls.Cancel) -> calls.Decided | None:
        """The answer that the same cause had before, lost or not."""
        kind = OrderConfirmed if isinstance(call, calls.Confirm) else OrderCancelled
        versions = [e.version for e in self.store if type(e) is kind and e.causation_id == call.causation_id]
        return calls.Decided(versions[0]) if versions else None


def _command(call: calls.Confirm | calls.Cancel) -> orders.Command:
    if isinstance(call, calls.Confirm):
        return orders.ConfirmOrder(order_id=call.order_id)
    return orders.CancelOrder(order_id=call.order_id, reason=call.reason)
