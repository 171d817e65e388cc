"""`orderflow demo`: the whole system with orders in it, on one machine, by one command."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from app.cli.demoing.bars import Bars
from app.cli.demoing.outcomes import wait_for_all
from app.cli.demoing.system import System
from app.cli.produce import receive_needed
from app.cli.producing.orders import needed_stock
from app.cli.producing.placing import place_orders
from app.cli.producing.source import Source, from_file, from_seed
from app.cli.verify import show
from app.config import load
from app.errors import SetupError
from app.verify import Report, run

DIRECTORY = Path(".orderflow")
QUIET_S = 600.0
CONCURRENCY = 32

cli = typer.Typer(help="Run the whole system on this machine, with orders in it.")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of `--json`."""

    orders: int
    confirmed: int
    cancelled: int
    dead_letters: int
    mismatches: int
    not_quiet: tuple[str, ...]
    seconds: float


@cli.command()
def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many orders to generate.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed places the same orders.")] = 1,
    file: Annotated[Path | None, typer.Option("--from", help="Orders of a shop, in Online Retail's columns.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Replicas of each topology.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the data of the last run.")] = False,
    leave: Annotated[
        bool, typer.Option("--exit", help="End when every order has its outcome and all is checked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, last.")] = False,
) -> None:
    """Start servers, processes and orders. Without `--exit` it stays up until Ctrl-C.

    Exit codes: 0 all is as the events say; 1 the check found a difference; 2 it could not run; 130 or 143 it was told
    to end before all was done.
    """
    if file is not None and not file.is_file():
        raise SetupError(f"{file} is no file; give one with Online Retail's columns")
    source = from_file(file) if file is not None else from_seed(orders, seed, run=_salt(keep))
    code = asyncio.run(_demo(source, workers, keep=keep, leave=leave, as_json=as_json))
    raise typer.Exit(code)


def _salt(keep: bool) -> str:
    # beside the orders of the last run these are new ones
    return f"{time.time_ns():x}" if keep else ""


async def _demo(source: Source, workers: int, *, keep: bool, leave: bool, as_json: bool) -> int:
    console = Console(stderr=True)
    began = time.monotonic()
    system = System(DIRECTORY, load(), workers, lambda text: console.print(f"[dim]{text}[/dim]"))
    told = _signals()
    work = asyncio.ensure_future(_work(system, source, console, keep=keep))
    try:
        await _first(work, told)
        if not work.done():
            console.print("[dim]ending what was started; once more ends it at once[/dim]")
            return 128 + told.result()
        report = work.result()
        show(report, Console(stderr=as_json))
        if as_json:
            typer.echo(msgspec.json.encode(_result(report, time.monotonic() - began)).decode())
        if not leave:
            console.print(f"the system stays up until Ctrl-C; its API is at [bold]{system.settings.api}/docs[/bold]")
            await told
        return 0 if report.clean else 1
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await system.stop()


async def _first(*ends: asyncio.Future[Any]) -> None:
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)


async def _work(system: System, source: Source, console: Console, *, keep: bool) -> Report:
    await system.start(keep=keep)
    settings = system.settings
    with Bars(console) as bars:
        needed = needed_stock(source.orders)
        await receive_needed(settings, source.name, needed, bars.counting("skus received", len(needed)))
        placed = bars.counting("orders placed", len(source.orders))
        await place_orders(settings.api, source.orders, concurrency=CONCURRENCY, on_progress=placed)
        ended = bars.counting("outcomes", len(source.orders))
        await wait_for_all(settings.postgres, lambda outcomes: ended(outcomes.ended, outcomes.orders))
        announce, checked = bars.working()
        report = await run(settings, timeout=QUIET_S, announce=announce)
        checked("rows compared", report.rows)
    return report


def _result(report: Report, seconds: float) -> Result:
    return Result(
        orders=report.orders,
        confirmed=report.confirmed,
        cancelled=report.cancelled,
        dead_letters=report.dead_letters,
        mismatches=len(report.differences),
        not_quiet=report.not_quiet,
        seconds=round(seconds, 1),
    )


def _signals() -> asyncio.Future[int]:
    """By which signal the process is told to end. Told once more it ends at once: its children end with it."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()

    def tell(number: int) -> None:
        if told.done():
            os._exit(128 + number)
        told.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell, number)
    return told
