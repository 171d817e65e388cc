"""Orders of both kinds while provider and carrier fail in every way and processes are killed; then everything is
checked. `make sagas`; see docs/chaos.md.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec

from app.cli.demoing.outcomes import Outcomes, wait_for_all
from app.cli.demoing.system import System
from app.cli.produce import receive_needed
from app.cli.producing.orders import needed_stock
from app.cli.producing.placing import PlacedReport, place_orders
from app.cli.producing.source import Source, from_seed
from app.config import Settings, load
from app.observability.log import setup
from app.verify import run as verify
from app.verify.database import Database
from app.verify.decoding import Decoder
from app.verify.model import PAID

CONCURRENCY = 16
ORCHESTRATED = 0.5
FAULT_EVERY_S = 2.0
QUIET_S = 1_800.0
# of one fault: it hits so many calls, or all for so long
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "refuse", "count": 2},
    {"kind": "unavailable", "seconds": 1.5},
    {"kind": "unavailable", "count": 20},
    {"kind": "timeout", "count": 5},
    {"kind": "timeout", "seconds": 0.5},
)
SHOWN = 20


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    seed: int = 1
    orders: int = 3_000
    workers: int = 3
    rate: float = 20.0
    kill_every_s: float = 5.0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """`charged_minor`: what the provider's ledger has, less what it gave back; `twice`: keys it has more than once."""

    plan: Plan
    orchestrated: int
    kills: dict[str, int]
    faults: dict[str, int]
    placed: PlacedReport
    outcomes: Outcomes
    charged_minor: int
    confirmed_minor: int
    twice: int
    differences: tuple[str, ...]
    not_quiet: tuple[str, ...]
    dead_letters: int
    seconds: float

    @property
    def clean(self) -> bool:
        ended = self.outcomes.ended == self.outcomes.orders == self.plan.orders
        money = self.charged_minor == self.confirmed_minor and not self.twice
        return ended and money and not self.differences and not self.not_quiet and not self.dead_letters


async def now_and_then(every_s: float, act: Callable[[], Awaitable[None]]) -> None:
    """Until it is cancelled."""
    while True:
        await asyncio.sleep(every_s)
        await act()


class Troubles:
    """Kills of workers and of the relay, and faults of the parties, as the seed says."""

    def __init__(self, system: System, plan: Plan, client: aiohttp.ClientSession) -> None:
        self._system, self._client = system, client
        self._random = random.Random(plan.seed)
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    async def kill(self) -> None:
        """The system starts again what has died."""
        spared = {"api", "provider", "carrier"}
        victims = [child for child in self._system.children.all if child.name not in spared]
        victim = victims[self._random.randrange(len(victims))]
        if victim.process is not None and victim.ended_with() is None:
            os.kill(victim.process.pid, signal.SIGKILL)
            self.kills[victim.name.rpartition("-")[0] or victim.name] += 1

    async def plant(self) -> None:
        name = self._random.choice(("provider", "carrier"))
        fault = self._random.choice(FAULTS)
        settings = self._system.settings
        url = settings.provider if name == "provider" else settings.carrier
        async with self._client.post(f"{url}/faults", json=fault) as answer:
            answer.raise_for_status()
        self.faults[f"{name} {fault['kind']}"] += 1

    async def mend(self) -> None:
        for url in (self._system.settings.provider, self._system.settings.carrier):
            async with self._client.delete(f"{url}/faults") as answer:
                answer.raise_for_status()


async def run(directory: Path, plan: Plan, say: Callable[[str], None]) -> Found:
    began, source = time.monotonic(), from_seed(plan.orders, plan.seed, orchestrated=ORCHESTRATED)
    system = System(directory, load(), plan.workers, say)
    try:
        await system.start(keep=False)
        settings = system.settings
        await receive_needed(settings, source.name, needed_stock(source.orders))
        async with aiohttp.ClientSession() as client:
            troubles = Troubles(system, plan, client)
            placed = await _place(settings, source, plan, troubles)
            await troubles.mend()
            say("the troubles are over; waiting for outcomes")
            outcomes = await wait_for_all(settings.postgres, lambda _: None)
            report = await verify(settings, timeout=QUIET_S, announce=say)
            charged_minor, twice = await _charged(client, settings.provider)
        return Found(
            plan=plan,
            orchestrated=source.mix["orchestrated"],
            kills=dict(troubles.kills),
            faults=dict(troubles.faults),
            placed=placed,
            outcomes=outcomes,
            charged_minor=charged_minor,
            confirmed_minor=await _confirmed(settings.postgres),
            twice=twice,
            differences=tuple(str(difference) for difference in report.differences[:SHOWN]),
            not_quiet=report.not_quiet,
            dead_letters=report.dead_letters,
            seconds=round(time.monotonic() - began, 1),
        )
    finally:
        await system.stop()


async def _place(settings: Settings, source: Source, plan: Plan, troubles: Troubles) -> PlacedReport:
    """All orders, in the midst of troubles."""
    acts = (now_and_then(plan.kill_every_s, troubles.kill), now_and_then(FAULT_EVERY_S, troubles.plant))
    running = [asyncio.create_task(act) for act in acts]
    try:
        return await place_orders(settings.api, source.orders, concurrency=CONCURRENCY, rate=plan.rate)
    finally:
        for task in running:
            task.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _charged(client: aiohttp.ClientSession, provider: str) -> tuple[int, int]:
    """What the provider has, less what it gave back, and how many keys it has more than once."""
    async with client.get(f"{provider}/ledger") as answer:
        entries = (await answer.json())["entries"]
    keys = Counter((entry["order_id"], entry["order_version"]) for entry in entries)
    charged = sum(entry["amount_minor"] for entry in entries if entry["state"] in PAID)
    return charged, sum(times > 1 for times in keys.values())


async def _confirmed(dsn: str) -> int:
    """The sum of the totals of all confirmed orders."""
    async with Database(dsn) as database:
        cases = await database.cases(Decoder())
    return sum(event["total_minor"] for case in cases.values() for event in case.of("OrderConfirmed"))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make sagas", description=main.__doc__)
    for name, default in msgspec.structs.asdict(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser


def main() -> int:
    """Print what came of it; 1 when an order has no outcome, or money, stock or a view is not as the events say."""
    plan = Plan(**vars(arguments().parse_args()))
    setup("error")
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(run(Path(directory), plan, _say))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main())
