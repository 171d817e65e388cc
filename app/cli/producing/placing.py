"""Places orders through the command API, as fast as it takes them or at a given rate.

Every command has an idempotency key of its own, so whatever fails on the way is simply sent again: nothing doubles.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple

import aiohttp
import msgspec

from app.cli.producing.orders import PlannedOrder
from app.domain.events import Item
from app.errors import TransientError

TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 120.0  # an API that is down for this long ends the run
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0

REPLAYED = "Idempotency-Replayed"
# the order had its outcome before the command arrived
TOO_LATE = "ORDER_ENDED"


class PlacedReport(msgspec.Struct, kw_only=True):
    """What the API answered. `placed`: the orders that it has; those of them that it had before are `known_orders`.

    An answer that was lost and asked for again counts as new. `too_late`: items and cancels of orders that had their
    outcome already.
    `refused` counts the other refusals by the problem's code; `retried` the requests that had to be sent again.
    """

    placed: int = 0
    new_orders: int = 0
    known_orders: int = 0
    items_added: int = 0
    cancelled: int = 0
    too_late: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    retried: int = 0
    seconds: float = 0.0


class ApiUnavailableError(TransientError):
    """The command API did not take a request within the patience of the run."""


async def place_orders(
    api_url: str,
    orders: Iterable[PlannedOrder],
    *,
    concurrency: int = 16,
    rate: float = 0.0,
    patience_seconds: float = PATIENCE_SECONDS,
    on_progress: Callable[[int], None] = lambda _: None,
    on_refused: Callable[[PlannedOrder, str], None] = lambda _order, _code: None,
) -> PlacedReport:
    """Places all orders, `concurrency` at once, at most `rate` of them a second (0: as fast as it goes).

    `on_progress` hears the number of orders done, `on_refused` of each refusal the order and the code.
    `ApiUnavailableError` when the API stays away; what was placed until then stays placed, and running again goes on
    from there.
    """
    timeout, connector = aiohttp.ClientTimeout(TIMEOUT_SECONDS), aiohttp.TCPConnector(limit=2 * concurrency)
    # aiohttp, because a request of httpx costs this side more than the API spends on it
    async with aiohttp.ClientSession(api_url, timeout=timeout, connector=connector) as client:
        placing = _Placing(client, patience_seconds, on_progress, on_refused)
        source, started = _paced(orders, rate), time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(placing.work(source))
        except* ApiUnavailableError as unavailable:
            raise unavailable.exceptions[0] from None
        placing.report.seconds = time.monotonic() - started
        return placing.report


def _paced(orders: Iterable[PlannedOrder], rate: float) -> Iterator[tuple[float, PlannedOrder]]:
    """Each order with the moment before which it is not placed."""
    started = time.monotonic()
    for index, order in enumerate(orders):
        yield (started + index / rate if rate > 0 else started), order


class _Answer(NamedTuple):
    code: str | None  # of the refusal; None: taken
    known: bool  # it had been taken before


class _Placing:
    def __init__(
        self,
        client: aiohttp.ClientSession,
        patience_seconds: float,
        on_progress: Callable[[int], None],
        on_refused: Callable[[PlannedOrder, str], None],
    ) -> None:
        self.report = PlacedReport()
        self._client, self._patience_seconds = client, patience_seconds
        self._on_progress, self._on_refused = on_progress, on_refused
        self._done = 0
        self._chance = Random()  # noqa: S311 - spreads retries

    async def work(self, source: Iterator[tuple[float, PlannedOrder]]) -> None:
        for due_at, order in source:
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            await self._place(order)
            self._done += 1
            self._on_progress(self._done)

    async def _place(self, order: PlannedOrder) -> None:
        report = self.report
        placed = await self._command(order, "place", "/orders", _order_body(order))
        if placed.code is not None:
            return
        report.placed += 1
        report.new_orders += not placed.known
        report.known_orders += placed.known
        for index, item in enumerate(order.added):
            path = f"/orders/{order.order_id}/items"
            if (await self._command(order, f"item {index}", path, _item_body(item))).code is None:
                report.items_added += 1
        cancel = f"/orders/{order.order_id}/cancel"
        if order.cancelled and (await self._command(order, "cancel", cancel, {"reason": "customer"})).code is None:
            report.cancelled += 1

    async def _command(self, order: PlannedOrder, command: str, path: str, body: dict[str, Any]) -> _Answer:
        """What the API said to the command; a refusal is counted."""
        sent = [self._send(path, body, order.key(command)) for _ in range(2 if order.twice else 1)]
        answers = await asyncio.gather(*sent)
        code = answers[0].code
        if code == TOO_LATE:
            self.report.too_late += 1
        elif code is not None:
            self.report.refused[code] = self.report.refused.get(code, 0) + 1
            self._on_refused(order, code)
        return _Answer(code, all(answer.known for answer in answers))

    async def _send(self, path: str, body: dict[str, Any], key: str) -> _Answer:
        """The first answer that is not `try again`."""
        first, give_up_at, pause = True, time.monotonic() + self._patience_seconds, FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._client.post(path, json=body, headers={"Idempotency-Key": key}) as answer:
                    content = await answer.read()  # to its end, so that the connection is used again
                    if not _is_try_again(answer):
                        code = None if answer.ok else _code(answer.status, content)
                        return _Answer(code, known=first and REPLAYED in answer.headers)
                    failed = f"status {answer.status}"
                    pause = max(pause, _retry_after(answer))
            except (aiohttp.ClientError, TimeoutError) as error:
                failed = f"{type(error).__name__} {error}".strip()
            if time.monotonic() + pause > give_up_at:
                raise ApiUnavailableError(
                    f"{path} was not taken for {self._patience_seconds:g} s ({failed}); "
                    "start the API and run the same command again: nothing is placed twice"
                )
            self.report.retried += 1
            first = False
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _is_try_again(answer: aiohttp.ClientResponse) -> bool:
    return answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _order_body(order: PlannedOrder) -> dict[str, Any]:
    personal = {"customer_name": order.customer_name, "delivery_address": order.delivery_address}
    return {
        "order_id": order.order_id,
        "customer_id": order.customer_id,
        "currency": order.currency,
        "reference": order.reference,
        "fulfilment": order.fulfilment,
        "placed_at": order.placed_at,
        "items": [_item_body(item) for item in order.items],
        **{name: text for name, text in personal.items() if text},
    }


def _item_body(item: Item) -> dict[str, Any]:
    return {"sku": item.sku, "quantity": item.quantity, "unit_price_minor": item.unit_price_minor}


def _code(status: int, content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content)["code"])
    except (msgspec.DecodeError, LookupError, TypeError):
        return f"HTTP_{status}"


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), LONGEST_PAUSE_SECONDS) if text.isdecimal() else 0.0
