"""Decides which letters belong to a campaign: those asked for, and what waits behind them. Pure."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

import msgspec

from app.deadletters.reading import Entry

Action: TypeAlias = Literal["redrive", "discard"]
MAX_REDRIVES = 3


class Chosen(msgspec.Struct, frozen=True):
    """A letter of a campaign, and what is to become of it."""

    entry: Entry
    action: Action


class LeftOut(msgspec.Struct, frozen=True):
    """A letter that was asked for and is not sent."""

    letter: str
    why: str


def choose(
    asked: Sequence[Entry],
    followers: Sequence[Entry],
    open_heads: Collection[str],
    action: Action,
    *,
    force: bool = False,
    edited: Collection[str] = (),
) -> tuple[list[Chosen], list[LeftOut]]:
    """Heads in the order in which they died, each with its followers in their sequence.

    `followers` are all dead ones of the same keys; `open_heads` are the heads of any of these that are dead or under
    way, as `origin` names them. Followers are redriven when their head is discarded, unless they were asked for
    themselves. `force` sends letters again that were redriven `MAX_REDRIVES` times. A letter that is only a part of its
    record is not redriven, unless it is one of those `edited`.
    """
    named, chosen = {entry.id for entry in asked}, dict[str, Chosen]()
    redriven = [entry for entry in (*asked, *followers) if action == "redrive" or entry.id not in named]
    spent = {entry.id for entry in redriven if entry.redrives >= MAX_REDRIVES and not force}
    spent |= {entry.id for entry in redriven if entry.left_out and entry.id not in edited}
    going = [entry for entry in asked if entry.id not in spent]
    blocking = set(open_heads) - {origin(entry) for entry in going if entry.head is None}
    waiting = {entry.id for entry in (*going, *followers) if _head(entry) in blocking}
    behind: dict[tuple[str, bytes | None], list[Entry]] = defaultdict(list)
    for entry in sorted(followers, key=lambda entry: (entry.head or "", entry.sequence or 0)):
        if entry.id not in spent | waiting:
            behind[_key(entry)].append(entry)
    for entry in going:
        for one in [] if entry.id in waiting else [*([entry] if entry.head is None else []), *behind[_key(entry)]]:
            chosen.setdefault(one.id, Chosen(one, action if one.id in named else "redrive"))
    return list(chosen.values()), [_left_out(entry, spent) for entry in asked if entry.id not in chosen]


def _left_out(entry: Entry, spent: Collection[str]) -> LeftOut:
    if entry.left_out:
        return LeftOut(entry.id, f"the record was too large to be kept; it stands in {entry.topic} as it came")
    if entry.id in spent:
        return LeftOut(entry.id, f"it was redriven {entry.redrives} times; --force sends it again")
    return LeftOut(entry.id, f"it waits behind {entry.head}, which is not sent with it; send that")


def origin(entry: Entry) -> str:
    return f"{entry.consumer_group} {entry.topic}:{entry.partition}:{entry.offset}"


def _key(entry: Entry) -> tuple[str, bytes | None]:
    return entry.consumer_group, entry.key


def _head(entry: Entry) -> str | None:
    return None if entry.head is None else f"{entry.consumer_group} {entry.head}"
