"""Decides which letters of a campaign may be sent now, so that the order of their keys holds. Pure."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

FINAL = frozenset({None, "resolved", "discarded"})  # None: it has no letter (any more)
TRIES = 5  # of a follower: it is returned when it comes before its turn


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A letter of a campaign whose record is not through yet.

    `sent`: how often this campaign has sent it. Of a follower, `chain` names the dead record that it waits behind, and
    `head_state` is what became of that one; both are None for a letter that waits behind nothing.
    """

    letter: str
    state: str
    sent: int
    chain: tuple[str, str] | None = None
    sequence: int = 0
    head_state: str | None = None


def sendable(standings: Iterable[Standing]) -> list[str]:
    """The letters that may go now: heads, and followers whose head is through, each chain in its sequence.

    A chain goes out as a stream. One of it that came back unhandled goes again when none before it is under way.
    """
    found: list[str] = []
    chains: dict[tuple[str, str], list[Standing]] = defaultdict(list)
    for one in standings:
        if one.chain is not None:
            chains[one.chain].append(one)
        elif one.state == "dead" and one.sent == 0:
            found.append(one.letter)
    for chain in chains.values():
        if chain[0].head_state in FINAL:
            found += _next_of(sorted(chain, key=lambda one: one.sequence))
    return found


def _next_of(chain: list[Standing]) -> list[str]:
    found: list[str] = []
    under_way = False
    for one in chain:
        again = one.state == "dead" and 0 < one.sent < TRIES and not under_way
        if (one.state == "dead" and one.sent == 0) or again:
            found.append(one.letter)
        elif one.state != "redriving":
            break  # it died again, or comes back each time: those behind it wait
        under_way = True
    return found
