"""Checks that every order ended once, and that money, stock and deliveries are as it ended."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from app.verify.expected import items, items_by_version, total_minor
from app.verify.model import HELD, PAID, Case, Difference, Effect, Stock, ids

ONCE = (
    *("PaymentCompleted", "PaymentRefunded", "PaymentReserved", "PaymentCaptured", "PaymentReleased"),
    *("StockReserved", "StockReleased", "DeliveryScheduled"),
)


def check(case: Case) -> Iterator[Difference]:
    """The differences in the effects of one order; one that waits behind a dead letter is not held to an end."""
    yield from _once(case)
    if case.dead_in or not case.stored:
        return
    yield from _outcome(case)
    confirmed = case.outcomes == ["confirmed"] if len(case.outcomes) == 1 else None
    # a step that an operator skipped, or did by hand, is as the operator says, whatever the events say
    if case.settled.isdisjoint({"payment", "capture"}):
        yield from _paid(case)
        yield from _money(case, confirmed)
    if "stock" not in case.settled:
        yield from _agrees(case, "reservation", case.reservations, "StockReserved", "StockReleased")
        yield from _reserved(case, confirmed)
    if "delivery" not in case.settled:
        yield from _agrees(case, "delivery", case.deliveries, "DeliveryScheduled", "DeliveryCancelled")
        yield from _delivered(case, confirmed)


def check_stock(stock: dict[str, Stock], cases: Iterable[Case]) -> Iterator[Difference]:
    """Per sku: what was received is there, less what the standing reservations hold."""
    held: Counter[str] = Counter()
    holders: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for effect in case.reservations:
            if effect.standing:
                held.update(effect.quantities)
                for sku in effect.quantities:
                    holders[sku].append(case)
    for sku in sorted(stock.keys() | held.keys()):
        here = stock.get(sku, Stock(0, 0, 0))
        expected = {"received": here.receipts, "left": here.receipts - held[sku]}
        actual = {"received": here.received, "left": here.received - here.reserved}
        if expected != actual or actual["left"] < 0:
            event_ids = ids([event for case in holders[sku] for event in case.of("StockReserved")])
            yield Difference("stock", sku, expected, actual, event_ids)


def _outcome(case: Case) -> Iterator[Difference]:
    events = case.of("OrderConfirmed", "OrderCancelled")
    if len(events) != 1 or events[0] is not case.standing[-1]:
        shown = [event["type"] for event in case.stored]
        yield Difference("outcome", case.order_id, "one outcome, as the last event", shown, ids(case.stored))
    for event in case.of("OrderConfirmed"):
        if event["total_minor"] != total_minor(items(case)):
            subject = f"{case.order_id} OrderConfirmed.total_minor"
            yield Difference("total", subject, total_minor(items(case)), event["total_minor"], ids(case.stored))


def _once(case: Case) -> Iterator[Difference]:
    """No key has taken effect twice: not at the other side, and not in the events."""
    for name, effects in (("charge", case.charges), ("reservation", case.reservations), ("delivery", case.deliveries)):
        for effect in effects:
            if effect.times > 1:
                subject = f"{name} {case.order_id} version {effect.order_version}"
                yield Difference(f"{name}-twice", subject, 1, effect.times, case.event_ids)
    for event_type in ONCE:
        events = case.of(event_type)
        for version, times in Counter(event["order_version"] for event in events).items():
            if times > 1:
                subject = f"{event_type} {case.order_id} version {version}"
                yield Difference("answer-twice", subject, 1, times, ids(events))


def _paid(case: Case) -> Iterator[Difference]:
    """What the events say of the order's money is what the provider's ledger says."""
    if not case.orchestrated:
        yield from _agrees(case, "payment", case.charges, "PaymentCompleted", "PaymentRefunded")
        return
    yield from _agrees(case, "hold", case.charges, "PaymentReserved", "PaymentReleased")
    captures = [replace(effect, standing=effect.state in PAID) for effect in case.charges]
    yield from _agrees(case, "capture", captures, "PaymentCaptured", "PaymentReleased")


def _agrees(case: Case, name: str, effects: list[Effect], done_by: str, undone_by: str) -> Iterator[Difference]:
    """What the events say was done and undone is what stands at the other side."""
    done = {event["order_version"]: event for event in case.of(done_by)}
    undone = {event["order_version"] for event in case.of(undone_by)}
    ledger = {effect.order_version: effect for effect in effects}
    standing = {version for version, effect in ledger.items() if effect.standing}
    if done.keys() - undone != standing:
        subject = f"{name} {case.order_id} order versions standing"
        yield Difference(f"{name}-ledger", subject, sorted(done.keys() - undone), sorted(standing), case.event_ids)
    for version, event in done.items():
        effect = ledger.get(version)
        claimed = event.get("amount_minor", 0), event.get("currency", ""), event.get("delivery_id", "")
        if effect is None or not effect.happened or _shown(effect) != claimed:
            actual = "nothing" if effect is None else effect.state
            subject = f"{name} {case.order_id} version {version}"
            yield Difference(f"{name}-ledger", subject, done_by, actual, (event["event_id"],))


def _shown(effect: Effect) -> tuple[int, str, str]:
    return effect.amount_minor, effect.currency, effect.reference


def _money(case: Case, confirmed: bool | None) -> Iterator[Difference]:
    if confirmed is None:
        return
    expected = total_minor(items(case)) if confirmed else 0
    actual = sum(effect.amount_minor for effect in case.charges if effect.state in PAID)
    if expected != actual:
        yield Difference("money", f"{case.order_id} charged - refunded", expected, actual, case.event_ids)
    held = sum(effect.amount_minor for effect in case.charges if effect.state == HELD)
    if held:
        yield Difference("held", f"{case.order_id} set aside, neither charged nor released", 0, held, case.event_ids)


def _reserved(case: Case, confirmed: bool | None) -> Iterator[Difference]:
    if confirmed is None:
        return
    expected: dict[int, Counter[str]] = {}
    for version, lines in items_by_version(case).items() if confirmed else ():
        wanted = expected.setdefault(version, Counter())
        for line in lines:
            wanted[line["sku"]] += line["quantity"]
    actual = {effect.order_version: Counter(effect.quantities) for effect in case.reservations if effect.standing}
    if expected != actual:
        yield Difference("reserved", f"{case.order_id} stock by order version", expected, actual, case.event_ids)


def _delivered(case: Case, confirmed: bool | None) -> Iterator[Difference]:
    if confirmed is None:
        return
    actual = [effect.order_version for effect in case.deliveries if effect.standing]
    if len(actual) != confirmed:
        expected = "one" if confirmed else "none"
        yield Difference("delivery", f"{case.order_id} deliveries scheduled", expected, actual, case.event_ids)
