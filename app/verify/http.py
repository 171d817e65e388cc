"""Asks the services: ledgers, the tasks of workers, and rows of views, many at once and each with a limit."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Set
from time import monotonic
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from app.errors import TransientError
from app.verify.model import Effect

# enough to keep the gateway busy: more would only wait there, and past its limits
CONCURRENCY = 12
PATIENCE = 20.0
PAUSE = 0.2
MISSING, UNAVAILABLE = 404, 503


class NoAnswerError(TransientError):
    """A service did not answer as it must; start it, or wait for it, and verify again."""


class Services:
    """HTTP with limits: 12 requests at a time, 10 s each; a 503 or a lost connection is asked again for 20 s.

    All of them together may wait in vain for 240 s, so that a check of many rows ends soon when nobody serves them.
    """

    async def __aenter__(self) -> "Services":
        self._vain_seconds = 0.0
        connector = aiohttp.TCPConnector(limit=CONCURRENCY)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: str, *, patience: float = PATIENCE) -> Any:
        """The JSON of the answer; None when there is no such thing. `NoAnswerError` when no answer comes."""
        until = monotonic() + patience
        while True:
            if self._vain_seconds > CONCURRENCY * PATIENCE:
                raise NoAnswerError(f"{url} was not asked: too many others gave no answer")
            asked = monotonic()
            try:
                async with self._session.get(URL(url, encoded=True)) as answer:
                    if answer.status == MISSING:
                        return None
                    if answer.status < MISSING:
                        return await answer.json()
                    problem = f"status {answer.status}: {(await answer.text())[:200]}"
                    hopeless = answer.status != UNAVAILABLE
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                problem, hopeless = f"{type(error).__name__}: {error}", False
            if hopeless or monotonic() > until:
                raise NoAnswerError(f"{url} does not answer as it must ({problem})")
            await asyncio.sleep(PAUSE)
            self._vain_seconds += monotonic() - asked

    async def each(self, paths: Iterable[str], handle: Callable[[str], Awaitable[None]]) -> None:
        """`handle` for every path, at most 12 at a time."""
        left = iter(paths)

        async def worker() -> None:
            for path in left:
                await handle(path)

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(worker())

    async def ledger(self, url: str, done: Set[str], undone: Set[str], reference: str = "") -> dict[str, list[Effect]]:
        """The entries of a party's ledger by order: `done` and `undone` are the states of an effect that stands or did.

        Two entries under one key are one effect that happened twice.
        """
        answer = await self.get(f"{url}/ledger")
        if answer is None:
            raise NoAnswerError(f"{url}/ledger is not there; mend the party's address")
        entries: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for entry in answer["entries"]:
            entries[entry["order_id"], entry["order_version"]].append(entry)
        effects: dict[str, list[Effect]] = defaultdict(list)
        for (order_id, order_version), found in entries.items():
            last = found[-1]
            effects[order_id].append(
                Effect(
                    order_version=order_version,
                    state=last["state"],
                    standing=last["state"] in done,
                    happened=last["state"] in done | undone,
                    times=len(found),
                    amount_minor=last.get("amount_minor", 0),
                    currency=last.get("currency", ""),
                    reference=last.get(reference, ""),
                )
            )
        return effects
