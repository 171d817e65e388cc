"""Who sends to a consumer group, or makes the index anew, is the only one that does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import LiteralString

from app.deadletters.database import SENDING, Connection
from app.deadletters.errors import CampaignRunningError

LOCK: LiteralString = "select pg_try_advisory_lock(%s, hashtext(%s))"
UNLOCK: LiteralString = "select pg_advisory_unlock(%s, hashtext(%s))"
RIVAL: LiteralString = """
select id, who from dead_letters.runs where state = 'running' and %s = any (consumer_groups) order by at desc limit 1
"""


@contextmanager
def alone(connection: Connection, groups: Sequence[str]) -> Iterator[None]:
    """Nobody else does either for these groups meanwhile; a `CampaignRunningError` names who does now."""
    held: list[str] = []
    try:
        for group in sorted(groups):  # of two that overlap, one gets all that it needs
            if connection.execute(LOCK, (SENDING, group)).fetchone() != (True,):
                raise CampaignRunningError(_told(connection, group))
            held.append(group)
        yield
    finally:
        if not connection.closed:
            for group in held:
                connection.execute(UNLOCK, (SENDING, group))


def _told(connection: Connection, group: str) -> str:
    rival = connection.execute(RIVAL, (group,)).fetchone()
    who = f"{rival[0]} by {rival[1]}" if rival else "it begins now, or the index is being made anew"
    return f"a campaign sends to {group} already ({who}); wait until it has ended, then try again"
