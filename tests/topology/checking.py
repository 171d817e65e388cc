"""What is wrong in a system that has come to rest, by the independent check of `orderflow verify`."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from app.domain.calls import Charge, Hold
from app.domain.events import Item
from app.domain.reconciliation import OrderBooks, product_key
from app.gateways.memory import Effects, InMemoryProvider
from app.serde.topics import EVENT_TYPES, ORDERS_EVENTS
from app.streaming.names import dlq_topic
from app.streaming.record import Record
from app.verify import books, effects, history
from app.verify.compare import compare_row, extra_rows
from app.verify.decoding import Decoder
from app.verify.expected import rows as expected_rows
from app.verify.model import HELD, Case, Difference, Effect, Event, Stock
from app.verify.topics import settled_by
from app.web.views import VIEWS
from tests.topology.system import System, emitted

DECODER = Decoder()
ORDER, CUSTOMER, SALES, PRODUCT, ORDER_BOOKS, PRODUCT_BOOKS = VIEWS


def differences(system: System, known: dict[str, Case] | None = None) -> list[Difference]:
    """Nothing when money, stock, deliveries, histories and views are as the events say, and nothing is left to do.

    `known` is what `cases` answers, where that was asked before."""
    known = cases(system) if known is None else known
    found = [*_rest(system)]
    for case in known.values():
        found += [*history.check(case), *effects.check(case)]
    found += effects.check_stock(_stock(system), known.values())
    expected, served = expected_rows(known.values()) | books.rows(known.values()), views(system)
    found += extra_rows(served, expected, explained=set())
    for path, row in expected.items():
        found += compare_row(path, row, served.get(path), known)
    return found


def cases(system: System) -> dict[str, Case]:
    """All that is known of each order: what the store, the topics and the parties hold."""
    found: dict[str, Case] = {}
    for event in system.store.outbox:
        case = found.setdefault(event.order_id, Case(order_id=event.order_id))
        case.stored.append(_decoded(ORDERS_EVENTS, emitted(event).value))
    for topic in EVENT_TYPES:
        for record in system.published(topic):
            event_ = decoded(record)
            case = found.setdefault(event_["order_id"], Case(order_id=event_["order_id"]))
            stream = case.published if topic == ORDERS_EVENTS else case.answers.setdefault(topic, [])
            stream.append(event_)
            case.settled |= settled_by(event_)
    for field, of_order in _effects(system).items():
        for order_id, held in of_order.items():
            setattr(found.setdefault(order_id, Case(order_id=order_id)), field, held)
    return found


def decoded(record: Record) -> Event:
    """The fields of the record's event, its type and its bytes."""
    return _decoded(record.topic, record.value)


def views(system: System) -> dict[str, Any]:
    """What the views show, by path: every row that there is."""
    tables = {view.table: system.driver.rows(view.topology, view.table) for view in VIEWS}
    shown: dict[str, Any] = {}
    for key, row in tables[ORDER.table].items():
        params = {"order_id": key.decode()}
        shown[ORDER.target(params)] = ORDER.render(params, [row])
    of_customer: dict[str, list[Any]] = defaultdict(list)
    for row in tables[CUSTOMER.table].values():
        of_customer[row.customer_id].append(row)
    for customer_id, rows in of_customer.items():
        params = {"customer_id": customer_id}
        shown[CUSTOMER.target(params)] = CUSTOMER.render(params, rows)
    for key, row in tables[SALES.table].items():
        params = {"day": key[2:12].decode(), "currency": key[12:].decode()}
        shown[SALES.target(params)] = SALES.render(params, [row])
    for key, row in tables[PRODUCT.table].items():
        params = {"sku": key.decode()}
        shown[PRODUCT.target(params)] = PRODUCT.render(params, [row])
    for key, row in tables[ORDER_BOOKS.table].items():
        view, name = (ORDER_BOOKS, "order_id") if isinstance(row, OrderBooks) else (PRODUCT_BOOKS, "sku")
        params = {name: key.decode().removeprefix(product_key(""))}
        shown[view.target(params)] = view.render(params, [row])
    return {path: msgspec.json.decode(msgspec.json.encode(answer)) for path, answer in shown.items()}


def _rest(system: System) -> Iterator[Difference]:
    """Nothing is dead, parked, blocked or waiting."""
    for topology in system.topologies:
        for letter in system.driver.records(dlq_topic(topology.group)):
            yield Difference("dead-letter", topology.name, None, letter)
        for table in topology.tables.keys() & {"timers", "parked", "blocked"}:
            for key, row in system.driver.rows(topology.name, table).items():
                if table == "timers" and row.name in topology.watching:  # it does nothing, but to look
                    continue
                yield Difference(f"left-in-{table}", f"{topology.name} {key!r}", None, row)


def _decoded(topic: str, value: bytes | None) -> Event:
    event = DECODER.decode(topic, value)
    assert event is not None
    return event


def _effects(system: System) -> dict[str, dict[str, list[Effect]]]:
    """What each party holds or held, by the field of a case and by order."""
    return {
        "charges": _money(system.charge_book),
        "deliveries": _by_order(
            system.delivery_book.deliveries,
            lambda delivery: {"reference": f"delivery-{delivery.order_id}-{delivery.order_version}"},
        ),
        "reservations": _by_order(
            system.stock_book.reservations, lambda reservation: {"quantities": _quantities(reservation.items)}
        ),
    }


def _money(book: InMemoryProvider) -> dict[str, list[Effect]]:
    """What was charged at once, and what was held first."""

    def shown(call: Charge | Hold) -> dict[str, Any]:
        return {"amount_minor": call.amount_minor, "currency": call.currency}

    found = _by_order(book.charges, shown, "charged", "refunded")
    for order_id, holds in _by_order(book.holds, shown, HELD, "released").items():
        captured = {version for held, version in book.captured if held == order_id}
        found[order_id] += [_captured(hold) if hold.order_version in captured else hold for hold in holds]
    return found


def _captured(hold: Effect) -> Effect:
    return replace(hold, state="captured" if hold.standing else "refunded")


def _by_order(
    book: Effects[Any], shown: Callable[[Any], dict[str, Any]], stands: str = "standing", undone: str = "undone"
) -> dict[str, list[Effect]]:
    found: dict[str, list[Effect]] = defaultdict(list)
    for state, calls in ((stands, book.standing), (undone, book.undone)):
        for call in calls.values():
            effect = Effect(
                order_version=call.order_version,
                state=state,
                standing=state == stands,
                happened=True,
                **shown(call),
            )
            found[call.order_id].append(effect)
    return found


def _quantities(items: Sequence[Item]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for item in items:
        found[item.sku] += item.quantity
    return dict(found)


def _stock(system: System) -> dict[str, Stock]:
    book = system.stock_book
    return {sku: Stock(book.received[sku], book.reserved[sku], system.stock[sku]) for sku in book.received}
