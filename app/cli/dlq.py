"""`orderflow dlq`: look at dead letters, note what is known of them, send them again or drop them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.letters import redriving
from app.cli.letters.asking import consumer_group, key_of, opened, states
from app.cli.options import printable
from app.cli.printing import AsJson, print_json, print_tree
from app.deadletters import audit, keys, reading, shown
from app.deadletters.edits import difference
from app.deadletters.reading import Filter

cli = typer.Typer(no_args_is_help=True, help="Dead letters: look at them, send them again, drop them.")
cli.command("redrive")(redriving.redrive)
cli.command("discard")(redriving.discard)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it: TOPIC:PARTITION:OFFSET.")]
State = Annotated[str, typer.Option(help="open (dead or redriving), all, or states with commas between.")]
Group = Annotated[str | None, typer.Option(help="Only those of one group, as `groups` shows it.")]
Topology = Annotated[str | None, typer.Option(help="Only those of one topology.")]
Key = Annotated[str | None, typer.Option(help="Only those of one key; hex:... for one that is no text.")]
Reason = Annotated[str | None, typer.Option(help="Only those that died for this reason.")]


@cli.command()
def groups(topology: Topology = None, state: State = "open", as_json: AsJson = False) -> None:
    """One line for all letters that died of the same, the largest group first."""
    asked = Filter(states=states(state), consumer_group=consumer_group(topology))
    with opened() as desk:
        found = reading.failures(desk.connection, asked)
    if as_json:
        print_json([shown.failure(count) for count in found])
        return
    for count in found:
        since = f"{shown.moment(count.first_ms)} to {shown.moment(count.last_ms)}"
        counts = f"{count.dead} dead, {count.redriving} redriving"
        noted = f"{count.notes} notes" if count.notes else ""
        line = (count.id, counts, since, count.consumer_group, count.topic, count.exception, count.message[:80], noted)
        typer.echo("  ".join(line).rstrip())
    typer.echo(f"{len(found)} groups")


@cli.command("list")
def list_(
    state: State = "open",
    group: Group = None,
    topology: Topology = None,
    key: Key = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """One line a letter: where it came from, why and when it died."""
    asked = Filter(
        states=states(state),
        failure=group,
        consumer_group=consumer_group(topology),
        key=key_of(key),
        reason=reason,
    )
    with opened() as desk:
        found = reading.letters(desk.connection, asked)
    if as_json:
        print_json([shown.summary(entry) for entry in found])
        return
    for entry in found:
        source = f"{entry.topic}[{entry.partition}]@{entry.offset}"
        died = (shown.moment(entry.dead_at_ms), entry.id, entry.state, entry.failure, entry.reason)
        typer.echo("  ".join((*died, source, keys.shown(entry.key) or "no key", entry.message[:80])))
    typer.echo(f"{len(found)} dead letters")


@cli.command()
def show(letter_id: Id, as_json: AsJson = False) -> None:
    """One letter whole: the event, the error and its stack, the reason, when it was sent again, notes."""
    with opened() as desk:
        (print_json if as_json else print_tree)(desk.envelope(letter_id))


@cli.command()
def diff(
    letter_id: Id,
    file: Annotated[
        Path, typer.Argument(help="The payload as JSON, as `show` prints it.", exists=True, dir_okay=False)
    ],
    as_json: AsJson = False,
) -> None:
    """What an edited payload would change. Ends with code 1 when that is nothing."""
    with opened() as desk:
        letter = reading.content(desk.connection, letter_id)
        lines = difference(desk.registry, letter, file.read_bytes())
    if as_json:
        print_json({"letter": letter_id, "difference": lines})
    else:
        typer.echo("\n".join(lines) if lines else "no difference")
    raise typer.Exit(0 if lines else 1)


@cli.command()
def note(
    about: Annotated[str, typer.Argument(metavar="ID", help="Of a letter or of a group.")],
    text: Annotated[str, typer.Argument(callback=printable, help="What is known of it.")],
    as_json: AsJson = False,
) -> None:
    """Write down what is known of a letter or of a group, for whoever looks next."""
    with opened() as desk:
        desk.note(audit.operator(), about, text)
        notes = [shown.note(one) for one in audit.notes(desk.connection, [about])]
    if as_json:
        print_json(notes)
    else:
        typer.echo(f"{about} has {len(notes)} notes")


@cli.command()
def export(
    state: State = "open",
    group: Group = None,
    topology: Topology = None,
    to: Annotated[
        Path | None, typer.Option(help="A file; else they are printed.", dir_okay=False, writable=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array in place of one object a line.")] = False,
) -> None:
    """Every letter whole, one JSON object a line."""
    asked = Filter(states=states(state), failure=group, consumer_group=consumer_group(topology))
    with opened() as desk:
        found = reading.letters(desk.connection, asked)
        envelopes = (desk.envelope(entry.id) for entry in found)
        lines = map(shown.line, [list(envelopes)] if as_json else envelopes)  # a line at a time: letters can be large
        if to is None:
            sys.stdout.writelines(lines)
            return
        with to.open("w", encoding="utf-8") as file:
            file.writelines(lines)
    typer.echo(f"{len(found)} letters in {to}")


@cli.command("audit")
def audit_(as_json: AsJson = False) -> None:
    """What operators did, the oldest first."""
    with opened() as desk:
        found = audit.acts(desk.connection)
    if as_json:
        print_json([shown.act(one) for one in found])
        return
    for one in found:
        letters = f"{len(one.letters)} letters" if one.letters else ""
        said = (shown.instant(one.at), one.who, one.action, one.run or "", letters, one.why, one.detail)
        typer.echo("  ".join(part for part in said if part))


@cli.command()
def rebuild(as_json: AsJson = False) -> None:
    """Empty the index and fill it from the topics again. Notes, campaigns and the audit stay."""
    with opened() as desk:
        count = desk.rebuild(audit.operator())
    if as_json:
        print_json({"records": count})
    else:
        typer.echo(f"the index is filled from {count} records")
