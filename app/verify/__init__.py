"""An independent check of the whole system: folds what is stored, and compares it with what is published and served.

It imports nothing of the rules, the projections or the engine: what they get wrong together, it finds.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from time import monotonic

import psycopg
from confluent_kafka import KafkaException

from app.config import Settings
from app.errors import SetupError
from app.verify import books, changelogs, effects, history
from app.verify.compare import compare_row
from app.verify.database import Database
from app.verify.decoding import Decoder
from app.verify.expected import Row, rows
from app.verify.http import NoAnswerError, Services
from app.verify.kafka import KafkaReader
from app.verify.model import HELD, PAID, Case, Difference, Report
from app.verify.quiet import Quiet
from app.verify.topics import Events, Letters

__all__ = ["Difference", "Report", "run"]


async def run(settings: Settings, *, timeout: float, announce: Callable[[str], None] = lambda _: None) -> Report:
    """Waits up to `timeout` seconds for quiet, then checks everything; `announce` is told what is being done.

    `SetupError` or `NoAnswerError` when a source cannot be read at all.
    """
    started = monotonic()
    try:
        async with AsyncExitStack() as stack:
            kafka = KafkaReader(settings.kafka)
            database = await stack.enter_async_context(Database(settings.postgres))
            check = _Check(settings, kafka, database, await stack.enter_async_context(Services()))
            announce("waiting for quiet")
            not_quiet = await check.quiet(timeout)
            announce("reading store, topics and ledgers")
            with _everything_stays():
                await check.collect()
            announce("comparing every row")
            await check.compare()
    except (KafkaException, psycopg.Error) as error:
        raise SetupError(f"a source failed while it was read: {error}; look at it, then verify again") from error
    return check.report(not_quiet, monotonic() - started)


@contextmanager
def _everything_stays() -> Iterator[None]:
    """Without the garbage collector, which would look again and again at hundreds of thousands of events."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Check:
    def __init__(self, settings: Settings, kafka: KafkaReader, database: Database, services: Services) -> None:
        self._settings, self._kafka, self._database, self._services = settings, kafka, database, services
        self._cases: dict[str, Case] = {}
        self._rows: dict[str, Row] = {}
        self._letters = Letters()
        self._found: list[Difference] = []

    async def quiet(self, timeout: float) -> tuple[str, ...]:
        return await Quiet(self._kafka, self._database, self._services).wait(timeout)

    async def collect(self) -> None:
        """Every source into the cases."""
        decoder = Decoder()
        self._cases = await self._database.cases(decoder)
        await asyncio.to_thread(self._letters.read, self._kafka)
        events = Events(decoder, self._cases, self._letters, await self._database.void())
        self._found += await asyncio.to_thread(events.read, self._kafka)
        provider, carrier = self._settings.provider.rstrip("/"), self._settings.carrier.rstrip("/")
        for case_field, held in (
            ("charges", await self._services.ledger(provider, {*PAID, HELD}, {"refunded", "released"})),
            ("deliveries", await self._services.ledger(carrier, {"scheduled"}, {"cancelled"}, "delivery_id")),
            ("reservations", await self._database.reservations()),
        ):
            for order_id, of_order in held.items():
                case = self._cases.setdefault(order_id, Case(order_id=order_id))
                setattr(case, case_field, of_order)

    async def compare(self) -> None:
        """Histories, effects, stock; then every row in the changelogs and over HTTP."""
        for case in self._cases.values():
            self._found += [*history.check(case), *effects.check(case)]
        self._found += effects.check_stock(await self._database.stock(), self._cases.values())
        self._rows = rows(self._cases.values())
        held = await asyncio.to_thread(changelogs.read, self._kafka)
        self._found += changelogs.compare(held, self._rows, self._cases)
        self._rows |= books.rows(self._cases.values())
        await self._services.each(self._rows, self._compare_row)

    async def _compare_row(self, path: str) -> None:
        try:
            served = await self._services.get(self._settings.api.rstrip("/") + path)
        except NoAnswerError as error:
            self._found.append(Difference("row-unreadable", path, "an answer", str(error)))
        else:
            self._found += compare_row(path, self._rows[path], served, self._cases)

    def report(self, not_quiet: tuple[str, ...], seconds: float) -> Report:
        placed = [case for case in self._cases.values() if case.stored]
        return Report(
            orders=len(placed),
            confirmed=sum(case.outcomes == ["confirmed"] for case in placed),
            cancelled=sum(case.outcomes == ["cancelled"] for case in placed),
            rows=len(self._rows),
            dead_letters=self._letters.count,
            blocked=tuple(sorted(case.order_id for case in placed if case.dead_in)),
            not_quiet=not_quiet,
            differences=tuple(self._found),
            seconds=round(seconds, 3),
        )
