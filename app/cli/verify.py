"""`orderflow verify`: prints what an independent check of the running system finds."""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.options import finite
from app.config import load
from app.verify import Difference, Report, run

SHOWN = 50
IDS_SHOWN = 20

cli = typer.Typer()


@cli.command()
def verify(
    timeout: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="How long to wait for quiet, in seconds.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as one JSON object.")] = False,
) -> None:
    """Compare views, topics, ledgers and store with each other.

    Exit codes: 0 all is as the events say; 1 something differs, or the system did not become quiet; 2 it could not run.
    """
    console = Console(stderr=as_json)
    with console.status("starting") as status:
        report = asyncio.run(run(load(), timeout=timeout, announce=status.update))
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        show(report, console)
    raise typer.Exit(0 if report.clean else 1)


def show(report: Report, console: Console) -> None:
    """The differences, each with the events behind it, then a summary."""
    for difference in report.differences[:SHOWN]:
        console.print(_difference(difference))
    hidden = len(report.differences) - SHOWN
    if hidden > 0:
        console.print(f"... and {hidden} more: --json prints them all\n")
    for order_id in report.blocked[:SHOWN]:
        console.print(Text(f"order {order_id} waits behind a dead letter", style="yellow"))
    for line in report.not_quiet:
        console.print(Text(f"not quiet: {line}", style="yellow"))
    console.print(_summary(report))


def _difference(difference: Difference) -> Text:
    text = Text(f"{difference.kind}: {difference.subject}\n", style="bold red")
    text.append(f"  expected {_brief(difference.expected)}\n  actual   {_brief(difference.actual)}\n", style="default")
    for event_id in difference.event_ids[:IDS_SHOWN]:
        text.append(f"  event    {event_id}\n", style="dim")
    hidden = len(difference.event_ids) - IDS_SHOWN
    if hidden > 0:
        text.append(f"  ... and {hidden} more events\n", style="dim")
    return text


def _brief(value: object) -> str:
    shown = msgspec.json.encode(value).decode()
    return shown if len(shown) <= 400 else f"{shown[:400]}..."


def _summary(report: Report) -> Table:
    table = Table(title="Verified" if report.clean else "Something differs", show_header=False)
    counts = {
        "orders": report.orders,
        "confirmed": report.confirmed,
        "cancelled": report.cancelled,
        "rows compared": report.rows,
        "dead letters": report.dead_letters,
        "orders waiting behind one": len(report.blocked),
        "differences": len(report.differences),
    }
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    table.add_row("quiet", "yes" if not report.not_quiet else f"no: {len(report.not_quiet)} reasons above")
    table.add_row("seconds", f"{report.seconds:.1f}")
    return table
