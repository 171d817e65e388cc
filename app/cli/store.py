"""`orderflow store`: looks after the event store and the topic that comes from it."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from app.cli.demoing.bars import Bars, Count
from app.cli.options import printable
from app.cli.printing import AsJson, print_json
from app.cli.producing.showing import show
from app.config import load
from app.deadletters.audit import operator
from app.domain.voiding import voided
from app.eventstore.audit.compare import Finding
from app.eventstore.audit.run import Audit, Report
from app.eventstore.audit.skip import Skip, Skips
from app.eventstore.port import PAGE, START, Recorded
from app.eventstore.postgres import PostgresEventStore
from app.eventstore.streams import MAX_VERSION
from app.serde.codec import EventCodec, event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS

SHOWN = 50

cli = typer.Typer(no_args_is_help=True, help="Look after the event store and its topic.")


@cli.callback()
def store() -> None:
    """Look after the event store and its topic."""


@cli.command()
def audit(
    repair: Annotated[
        bool, typer.Option("--repair", help="Publish again what is lacking, and note what that makes good.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Hold the topic against the store, order by order: what is missing, doubled, reordered or corrupted.

    Exit codes: 0 all is as it must be; 1 something is wrong, after a repair too; 2 it could not run.
    """
    settings = load()
    with Bars(Console(stderr=True)) as bars:
        running = Audit(settings.postgres, settings.kafka, ORDERS_EVENTS, _codec().decode, _Progress(bars).tell)
        report = running.repair() if repair else running.look()
    if as_json:
        print_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.clean else 1)


@cli.command()
def skip(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, max=MAX_VERSION)],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the order.", callback=printable)],
    as_json: AsJson = False,
) -> None:
    """Put an event that says nothing in place of one that cannot be read, or is wrong; what it was is kept aside.

    `audit --repair` makes the topic good then. Safe to repeat: an event is skipped once.
    """
    done = _skips().skip(
        order_id,
        version,
        partial(voided, reason=reason, now=time.time_ns() // 1_000),
        who=operator(),
        reason=reason,
    )
    if as_json:
        print_json(done)
    elif done.republished:
        typer.echo(f"skipped: {done.republished} events of the order are published again; run `store audit --repair`")
    else:
        typer.echo(f"nothing to do: it was skipped before  {_told(done.skip)}")


@cli.command()
def skips(as_json: AsJson = False) -> None:
    """Which events were skipped at whose word and why, the oldest first."""
    found = _skips().all()
    if as_json:
        print_json(found)
        return
    for one in found:
        typer.echo(_told(one))
    typer.echo(f"{len(found)} events were skipped")


@cli.command()
def events(
    after: Annotated[str, typer.Option(help="Only those behind this position.")] = START,
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print all events, one a line, in an order that stays as it is: go on later behind the last position.

    Those of an order stand by version. An event that one of an append in progress may still precede is not there yet.
    """
    asyncio.run(_print_events(after, limit, as_json=as_json))


async def _print_events(after: str, limit: int | None, *, as_json: bool) -> None:
    settings = load()
    async with PostgresEventStore(settings.postgres, _codec()) as store:
        async for recorded in _events(store, after, limit):
            event, kind = recorded.event, type(recorded.event).__name__
            if as_json:
                print_json({"position": recorded.position, "type": kind, "event": event})
            else:
                typer.echo(f"{recorded.position}  {kind}")


async def _events(store: PostgresEventStore, after: str, limit: int | None) -> AsyncIterator[Recorded]:
    left = limit
    while page := await store.read_all(after, PAGE if left is None else min(left, PAGE)):
        for recorded in page:
            yield recorded
        after = page[-1].position
        left = None if left is None else left - len(page)


def _codec() -> EventCodec:
    return event_codec(committed_registry(), ORDERS_EVENTS)


def _skips() -> Skips:
    return Skips(load().postgres, _codec())


def _told(skip: Skip) -> str:
    when, kind = skip.at.isoformat(timespec="seconds"), skip.type.rpartition(".")[2]
    return f"{when}  order {skip.order_id} version {skip.version} {kind}  by {skip.who}, because: {skip.reason}"


class _Progress:
    """A bar for each thing that is done, one below the other."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._counts: dict[str, Count] = {}

    def tell(self, what: str, done: int, of: int) -> None:
        if what not in self._counts:
            self._counts[what] = self._bars.counting(what, of)
        self._counts[what](done, of)


def _show(report: Report) -> None:
    for finding in report.findings[:SHOWN]:
        typer.echo(_line(finding, report.topic))
    hidden = sum(report.found.values()) - min(len(report.findings), SHOWN)
    if hidden > 0:
        typer.echo(f"... and {hidden:,} more; --json prints the first {len(report.findings):,}")
    values = msgspec.to_builtins(report)
    del values["findings"], values["topic"]
    show(f"{report.topic} against the store", values)


def _line(finding: Finding, topic: str) -> str:
    version = "" if finding.version is None else f" version {finding.version}"
    place = "" if finding.partition is None else f" at {topic}[{finding.partition}]@{finding.offset}"
    return f"{finding.wrong}: order {finding.order_id}{version} event {finding.event_id}{place}"
