"""Delivers an alert once, however often it is sent: remembered by its id, the newest ones."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from app.alerts.port import Alert

REMEMBERED = 10_000


class Once:
    """An alert whose delivery failed is not remembered. The same alert is not delivered twice at once."""

    def __init__(self) -> None:
        self._delivered: OrderedDict[str, None] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def deliver(self, alert: Alert, deliver: Callable[[Alert], Awaitable[None]]) -> None:
        lock = self._locks.setdefault(alert.id, asyncio.Lock())
        async with lock:
            if alert.id in self._delivered:
                return
            await deliver(alert)
            self._delivered[alert.id] = None
            while len(self._delivered) > REMEMBERED:
                self._delivered.popitem(last=False)
