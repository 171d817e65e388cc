"""What the commands of `orderflow dlq` share: which letters are meant, and where they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from app.config import load
from app.deadletters import keys
from app.deadletters.desk import FilledDesk, desk
from app.deadletters.reading import OPEN, Filter
from app.serde.lock import committed_registry
from app.streaming.names import group_id
from topologies import catalogue

STATES = ("dead", "redriving", "resolved", "discarded", "replaced")
FILTERS = ("topology", "key", "reason")


@contextmanager
def opened() -> Iterator[FilledDesk]:
    """The index of all topologies, brought up to date."""
    settings = load()
    with desk(settings.kafka, settings.postgres, groups(), committed_registry()) as found:
        yield found


def groups() -> list[str]:
    return [group_id(name) for name in catalogue.NAMES]


def consumer_group(topology: str | None) -> str | None:
    if topology is not None and topology not in catalogue.NAMES:
        raise catalogue.unknown(topology)
    return None if topology is None else group_id(topology)


def states(text: str) -> tuple[str, ...] | None:
    """Those that `open`, `all` or a list with commas names."""
    if text == "all":
        return None
    named = OPEN if text == "open" else tuple(text.split(","))
    if unknown := set(named) - set(STATES):
        raise typer.BadParameter(f"no state {', '.join(sorted(unknown))}; there are open, all, {', '.join(STATES)}")
    return named


def key_of(text: str | None) -> bytes | None:
    """A key as `list` shows it: text, or `hex:` and bytes."""
    try:
        return None if text is None else keys.read(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no key; after hex: come pairs of hexadecimal digits") from None


def chosen(group: str | None, letters: Sequence[str], filters: Sequence[str]) -> Filter:
    """The letters that a campaign is asked for; there is no way to name all by naming none."""
    pairs = {name: value for name, _, value in (one.partition("=") for one in filters)}
    if unknown := set(pairs) - set(FILTERS):
        raise typer.BadParameter(
            f"no filter {', '.join(sorted(unknown))}; there are {', '.join(FILTERS)}, as NAME=VALUE"
        )
    if group is None and not letters and not pairs:
        raise typer.BadParameter("say which letters: --group, --letter or --filter NAME=VALUE")
    return Filter(
        failure=group,
        letters=tuple(letters) or None,
        consumer_group=consumer_group(pairs.get("topology")),
        key=key_of(pairs.get("key")),
        reason=pairs.get("reason"),
    )
