"""Clients of an API that may be killed: each sends a command until it is answered, and then the next one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx

from tests.waiting import PATIENCE_S

ITEM = {"sku": "85123A", "quantity": 6, "unit_price_minor": 255}
ORDER = {"customer_id": "12923", "currency": "GBP", "items": [ITEM]}
# reading an order takes longer the more events it has
VERSIONS = 20


@asynccontextmanager
async def placing(api: str, clients: int) -> AsyncIterator[list[tuple[str, int]]]:
    """Places orders and adds items while it is entered; the (order, version) of each event that was acknowledged."""
    acknowledged: list[tuple[str, int]] = []
    stop = asyncio.Event()
    async with httpx.AsyncClient(base_url=api, timeout=PATIENCE_S, trust_env=False) as http:
        placing = [asyncio.create_task(_place(http, acknowledged, stop)) for _ in range(clients)]
        try:
            yield acknowledged
        finally:
            stop.set()
            await asyncio.gather(*placing)


async def _place(http: httpx.AsyncClient, acknowledged: list[tuple[str, int]], stop: asyncio.Event) -> None:
    order_id, version = str(uuid4()), 0
    while not stop.is_set():
        if version == 0:
            await _send(http, "/orders", {**ORDER, "order_id": order_id}, {})
        else:
            await _send(http, f"/orders/{order_id}/items", ITEM, {"If-Match": f'"{version}"'})
        version += 1
        acknowledged.append((order_id, version))
        if version == VERSIONS:
            order_id, version = str(uuid4()), 0
        # a pace that leaves the machine to the others
        await asyncio.sleep(0.03)


async def _send(http: httpx.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    named = {**headers, "Idempotency-Key": str(uuid4())}
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer = await http.post(path, json=body, headers=named)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    assert answer.is_success, answer.text
                    return
            await asyncio.sleep(0.05)
