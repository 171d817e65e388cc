"""`orderflow dlq`: look at dead letters, decoded where their schema is known."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from app.config import load
from app.errors import PoisonError, RefusedError
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import EVENT_TYPES
from app.streaming.kafka.log import read_topic
from app.streaming.letters import Letter, LetterError, Outcome, read_letter_topic
from app.streaming.names import dlq_topic, group_id
from topologies import catalogue

cli = typer.Typer(no_args_is_help=True, help="Look at dead letters.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class NoLetterError(RefusedError):
    """There is no dead letter of that id."""


@cli.command("list")
def list_(
    topology: Annotated[str | None, typer.Option(help="Only those of one topology.")] = None,
    as_json: AsJson = False,
) -> None:
    """One line a letter: where it came from, why and when it died."""
    if topology is not None and topology not in catalogue.NAMES:
        raise catalogue.unknown(topology)
    letters = _letters([topology] if topology else list(catalogue.NAMES))
    if as_json:
        typer.echo(msgspec.json.encode([_summary(letter) for letter in letters]).decode())
        return
    count = 0
    for letter in letters:
        typer.echo("  ".join(map(str, _row(letter))))
        count += 1
    typer.echo(f"{count} dead letters")


@cli.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it: TOPIC:PARTITION:OFFSET.")],
    as_json: AsJson = False,
) -> None:
    """One letter whole: the event, the error and its stack, the reason."""
    topic = letter_id.split(":")[0]
    names = [name for name in catalogue.NAMES if dlq_topic(group_id(name)) == topic]
    letter = next((found for found in _letters(names) if found.id == letter_id), None)
    if letter is None:
        raise NoLetterError(f"there is no dead letter {letter_id}; `orderflow dlq list` shows those there are")
    envelope = _envelope(letter)
    if as_json:
        typer.echo(msgspec.json.encode(envelope).decode())
    else:
        typer.echo(msgspec.json.format(msgspec.json.encode(envelope), indent=2).decode())


def _letters(names: list[str]) -> Iterator[Letter]:
    kafka = load().kafka
    for name in names:
        for record in read_topic(kafka, dlq_topic(group_id(name))):
            try:
                found = read_letter_topic(record)
            except LetterError as error:
                typer.secho(str(error), err=True, fg="yellow")
            else:
                if not isinstance(found, Outcome):
                    yield found


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "group": letter.group,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": _text(letter.key),
        "reason": letter.reason,
        "attempt": letter.attempt,
        "exception": letter.exception,
        "message": letter.message,
        "timestamp": _moment(letter.dead_at_ms),
    }


def _envelope(letter: Letter) -> dict[str, Any]:
    return _summary(letter) | {
        "original_event": _event(letter),
        "headers": [(name, _text(value)) for name, value in letter.headers],  # a name may be there twice
        "error": {"message": letter.message, "stack": letter.stack},
        "first_failed_at": _moment(letter.first_failed_at_ms),
    }


def _event(letter: Letter) -> Any:
    """The decoded event with its type, or the value's bytes as hex."""
    if letter.topic in EVENT_TYPES:
        try:
            event = event_codec(committed_registry(), letter.topic).decode(letter.value)
        except PoisonError:
            pass
        else:
            return {"type": type(event).__name__, **msgspec.to_builtins(event)}
    return None if letter.value is None else {"hex": letter.value.hex()}


def _row(letter: Letter) -> tuple[object, ...]:
    source = f"{letter.topic}[{letter.partition}]@{letter.offset}"
    died_at = _moment(letter.dead_at_ms)
    return (
        died_at,
        letter.id,
        letter.reason,
        f"attempt {letter.attempt}",
        source,
        _text(letter.key),
        letter.message[:80],
    )


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
