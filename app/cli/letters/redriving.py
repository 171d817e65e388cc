"""`orderflow dlq redrive` and `discard`: a set of letters is frozen, shown, and sent in order."""

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.letters.asking import chosen, opened
from app.cli.options import printable
from app.cli.printing import AsJson, print_json
from app.config import load
from app.deadletters import audit, planned, reading, runs
from app.deadletters.campaign import Campaign, told
from app.deadletters.choosing import Chosen, LeftOut
from app.deadletters.desk import FilledDesk
from app.deadletters.edits import difference, edited
from app.deadletters.errors import EditRefusedError
from app.deadletters.runs import DEFAULT_RATE, DEFAULT_SHARE, MOST_RATE, Order, Run, Tally
from app.streaming.letters import Letter

SHOWN = 50

Group = Annotated[str | None, typer.Option(help="All of one group, as `groups` shows it.")]
Letters = Annotated[list[str] | None, typer.Option("--letter", help="One letter, as `list` shows it. May be repeated.")]
Filters = Annotated[
    list[str] | None, typer.Option("--filter", help="topology=NAME, key=KEY or reason=REASON. All that are given hold.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Freeze the set and show it; send nothing.")]
Rate = Annotated[
    int, typer.Option(min=1, max=MOST_RATE, help="Letters a second at most; it begins with 1, 10, 100 ...")
]
Share = Annotated[float, typer.Option(min=0.0, max=1.0, help="End when more than this share has died again.")]
Resume = Annotated[str | None, typer.Option(metavar="RUN", help="Run a frozen set, or go on with one that has ended.")]
Why = Annotated[str, typer.Option(callback=printable, help="For the audit.")]
Force = Annotated[bool, typer.Option("--force", help="Also letters that were redriven 3 times.")]
Edits = Annotated[
    list[str] | None, typer.Option("--edit", metavar="LETTER=FILE", help="Send this payload (JSON) in its place.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before edited payloads are sent.")]


def redrive(
    group: Group = None,
    letter: Letters = None,
    filters: Filters = None,
    dry_run: DryRun = False,
    rate: Rate = DEFAULT_RATE,
    abort_share: Share = DEFAULT_SHARE,
    resume: Resume = None,
    edit: Edits = None,
    why: Why = "",
    force: Force = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send letters back to their topologies, and what waits behind them, in the order of their keys.

    Exit codes: 0 all are through; 1 some are not; 2 it was refused, or has ended by itself; 130 Ctrl-C has stopped it.
    """
    with opened() as desk:
        if resume is not None:
            _run(desk, runs.find(desk.connection, resume), as_json)
            return
        edits = _edits(desk, edit or [], ask=not yes)
        asked = chosen(group, [*(letter or []), *edits] if letter or not (group or filters) else [], filters or [])
        order = Order(
            asked=asked,
            action="redrive",
            who=audit.operator(),
            why=why,
            rate=rate,
            abort_share=abort_share,
            force=force,
        )
        _carry_out(desk, order, edits, dry_run, as_json)


def discard(
    group: Group = None,
    letter: Letters = None,
    filters: Filters = None,
    dry_run: DryRun = False,
    rate: Rate = DEFAULT_RATE,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Give letters up: their keys go on without them. What waits behind them is redriven.

    `redrive --resume RUN` runs a frozen set, or goes on with one that was stopped. Exit codes as of `redrive`.
    """
    with opened() as desk:
        asked = chosen(group, letter or [], filters or [])
        order = Order(asked=asked, action="discard", who=audit.operator(), why=why, rate=rate)
        _carry_out(desk, order, {}, dry_run, as_json)


def _carry_out(desk: FilledDesk, order: Order, edits: Mapping[str, Letter], dry_run: bool, as_json: bool) -> None:
    run, letters, left_out = runs.freeze(desk.connection, order, edits)
    if not as_json:
        _show_plan(run, letters, left_out)
    if dry_run:
        from app.cli.letters.parked import parked  # its HTTP client takes long to load, and only this needs it

        _show_parked(planned.plan(run, letters, left_out, edits), parked(load(), letters), as_json)
        return
    _run(desk, run, as_json)


def _run(desk: FilledDesk, run: Run, as_json: bool) -> None:
    console = Console(stderr=True)
    campaign = Campaign(desk.connection, desk.index, load().kafka, run, audit.operator())
    with _stopping() as stop, console.status(f"{run.id}: {run.letters} letters") as status:

        def announce(tally: Tally, rate: float) -> None:
            status.update(f"{run.id}: {run.letters} letters, {told(tally)}; {rate:g} a second at most")

        ended = campaign.run(stop, announce)
    found = planned.progress(desk.connection, runs.find(desk.connection, run.id))
    left, tally = found["left"], runs.tally(desk.connection, run.id)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{run.id} {ended}: {told(tally)}; {left} of {run.letters} are not through")
    if ended == "stopped":
        typer.echo(f"go on with `orderflow dlq redrive --resume {run.id}`", err=True)
        sys.exit(130)
    raise typer.Exit(1 if left else 0)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by Ctrl-C or a termination, which then end nothing by themselves: what is being sent is sent whole."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _edits(desk: FilledDesk, pairs: Sequence[str], *, ask: bool) -> dict[str, Letter]:
    """The mended letters, each shown against what it was; a refusal ends the command with nothing done."""
    edits: dict[str, Letter] = {}
    for pair in pairs:
        letter_id, _, file = pair.partition("=")
        path = Path(file)
        if not path.is_file():
            raise EditRefusedError(f"--edit takes LETTER=FILE, and there is no file {file!r}")
        letter, payload = reading.content(desk.connection, letter_id), path.read_bytes()
        edits[letter_id] = edited(desk.registry, letter, payload)
        typer.echo("\n".join(difference(desk.registry, letter, payload)), err=True)
    if edits and ask and not _confirmed(f"Send {len(edits)} edited payloads?"):
        raise EditRefusedError("not confirmed, nothing was sent; --yes confirms")
    return edits


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # nobody is there to answer
        return False


def _show_parked(plan: Mapping[str, object], tasks: Mapping[tuple[str, int], int | None], as_json: bool) -> None:
    told = [{"group": group, "partition": number, "parked": count} for (group, number), count in tasks.items()]
    if as_json:
        print_json({**plan, "tasks": told})
        return
    silent, count = sum(one is None for one in tasks.values()), sum(one or 0 for one in tasks.values())
    typer.echo(
        f"parked behind dead heads in the {len(tasks)} tasks of these: {count} records; {silent} tasks are silent"
    )


def _show_plan(run: Run, letters: Sequence[Chosen], left_out: Sequence[LeftOut]) -> None:
    keys = planned.by_key(letters)
    for key in keys[:SHOWN]:
        named = ", ".join(key["heads"]) or "what is left of a chain"
        typer.echo(f"{key['group']}  {key['key']}  {named}  {key['parked_behind']} parked behind")
    if len(keys) > SHOWN:
        typer.echo(f"... and {len(keys) - SHOWN} more keys: --json shows them all")
    for one in left_out[:SHOWN]:
        typer.echo(f"left out: {one.letter}: {one.why}")
    typer.echo(f"{run.id}: {len(letters)} letters of {len(keys)} keys, {len(left_out)} left out; {run.state}")
