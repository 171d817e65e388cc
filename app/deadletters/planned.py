"""Campaigns as people and programs see them: the frozen set by letter and by key, and how far it is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.deadletters import keys, runs
from app.deadletters.choosing import Chosen, LeftOut
from app.deadletters.database import Connection
from app.deadletters.runs import Run
from app.streaming.letters import Letter


def plan(
    run: Run, letters: Sequence[Chosen], left_out: Sequence[LeftOut], edits: Mapping[str, Letter]
) -> dict[str, Any]:
    """What would be sent."""
    return {
        "run": run.id,
        "state": run.state,
        "letters": [{"letter": one.entry.id, "action": one.action, "edited": one.entry.id in edits} for one in letters],
        "keys": by_key(letters),
        "left_out": [{"letter": one.letter, "why": one.why} for one in left_out],
    }


def by_key(letters: Sequence[Chosen]) -> list[dict[str, Any]]:
    """For each key what goes first, and how many letters wait behind it."""
    of_key: dict[tuple[str, bytes | None], list[Chosen]] = defaultdict(list)
    for one in letters:
        of_key[one.entry.consumer_group, one.entry.key].append(one)
    return [
        {
            "group": group,
            "key": keys.shown(key),
            "heads": [one.entry.id for one in chosen if one.entry.head is None],
            "parked_behind": sum(one.entry.head is not None for one in chosen),
        }
        for (group, key), chosen in of_key.items()
    ]


def progress(connection: Connection, run: Run) -> dict[str, Any]:
    """How far a campaign is."""
    tally = runs.tally(connection, run.id)
    left = [one for one in runs.standings(connection, run.id) if one.state != "elsewhere"]
    head = {"run": run.id, "state": run.state, "who": run.who, "why": run.why, "letters": run.letters}
    return head | msgspec.structs.asdict(tally) | {"left": len(left)}
