"""What the check works on: plain events grouped by order, what the outside holds of it, and the differences found."""

from typing import Any, TypeAlias

import msgspec

# A decoded event: the fields of its schema, its schema's name as `type` and its bytes as `raw`.
Event: TypeAlias = dict[str, Any]
# The place of a record: topic, partition, offset.
Record: TypeAlias = tuple[str, int, int]
ORDERS, PAYMENTS, INVENTORY, SHIPPING = "orders.events", "payments.events", "inventory.events", "shipping.events"
TOPICS = (ORDERS, PAYMENTS, INVENTORY, SHIPPING)
ANSWERS = (PAYMENTS, INVENTORY, SHIPPING)
PAID, HELD = ("charged", "captured"), "held"  # states of what the provider has, or sets aside


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What an outside party holds under the key (order, order version): a charge, a reservation or a delivery.

    `standing`: it has effect now; `happened`: it has had effect at some time; `times`: how often it took effect.
    """

    order_version: int
    state: str
    standing: bool
    happened: bool
    times: int = 1
    amount_minor: int = 0
    currency: str = ""
    reference: str = ""
    quantities: dict[str, int] = {}


class Case(msgspec.Struct, kw_only=True):
    """All that is known of one order, from every source."""

    order_id: str
    stored: list[Event] = []
    published: list[Event] = []
    answers: dict[str, list[Event]] = {}
    charges: list[Effect] = []
    reservations: list[Effect] = []
    deliveries: list[Effect] = []
    dead_in: set[str] = set()
    settled: set[str] = set()  # steps that an operator skipped, or did by hand

    def of(self, *types: str) -> list[Event]:
        """The order's events of these types, each once: its own from the store, the services' from their topics."""
        return [event for event in self._events() if event["type"] in types]

    @property
    def outcomes(self) -> list[str]:
        names = {"OrderConfirmed": "confirmed", "OrderCancelled": "cancelled"}
        return [names[event["type"]] for event in self.stored if event["type"] in names]

    @property
    def standing(self) -> list[Event]:
        """What is stored, without what stands in place of an event that was skipped."""
        return [event for event in self.stored if event["type"] != "EventVoided"]

    @property
    def orchestrated(self) -> bool:
        return bool(self.stored) and self.stored[0].get("fulfilment") == "orchestration"

    @property
    def event_ids(self) -> tuple[str, ...]:
        return ids(self._events())

    def _events(self) -> list[Event]:
        return [*self.stored, *(event for topic in ANSWERS for event in firsts(self.answers.get(topic, [])))]


class Stock(msgspec.Struct, frozen=True):
    """One sku in the warehouse."""

    received: int
    reserved: int
    receipts: int


class Difference(msgspec.Struct, frozen=True):
    """Something that is not as the events say; `event_ids` are the events that say so."""

    kind: str
    subject: str
    expected: Any
    actual: Any
    event_ids: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check. `blocked` are orders that wait behind a dead letter of theirs."""

    orders: int
    confirmed: int
    cancelled: int
    rows: int
    dead_letters: int
    blocked: tuple[str, ...]
    not_quiet: tuple[str, ...]
    differences: tuple[Difference, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        return not self.differences and not self.not_quiet


def ids(events: list[Event]) -> tuple[str, ...]:
    return tuple(event["event_id"] for event in events)


def firsts(events: list[Event]) -> list[Event]:
    """Without repetitions of an event, in order."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event["event_id"], event)
    return list(first.values())
