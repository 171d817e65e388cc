"""Who runs which task: shares tasks out evenly, moves few, and moves none to a worker that would first have to restore.

Pure: the leader of the group calls `plan` with what every member says of itself, and tells each member its place.
"""

from collections.abc import Iterable, Mapping

import msgspec

WARM = 10_000  # changelog offsets that a store may lack: replayed in a moment


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What a member says of itself. `held`: task -> changelog offsets that its store on this member is up to;
    `owned`: the tasks it ran in `generation`. `standbys`: the copies that it would have of each task."""

    url: str
    generation: int = -1
    owned: tuple[int, ...] = ()
    held: dict[int, int] = {}
    standbys: int = 0


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What a member is told: the tasks that it runs, those of which it keeps a copy, and those that it is to take over
    once its copy is warm."""

    url: str
    active: tuple[int, ...] = ()
    standby: tuple[int, ...] = ()
    warming: tuple[int, ...] = ()


def plan(claims: Mapping[str, Claim], partitions: int) -> dict[str, Place]:
    """The place of each member."""
    return _Plan(claims, partitions).places()


class _Plan:
    def __init__(self, claims: Mapping[str, Claim], partitions: int) -> None:
        self._claims, self._tasks = claims, range(partitions)
        self._newest = {task: max(self._held(member, task) for member in claims) for task in self._tasks}
        self._owners = self._last_owners()

    def _held(self, member: str, task: int) -> int:
        return self._claims[member].held.get(task, 0)

    def _is_warm(self, member: str, task: int) -> bool:
        return self._newest[task] - self._held(member, task) <= WARM

    def _last_owners(self) -> dict[int, str]:
        """Of two that claim a task, one was away when the other got it."""
        by_age = sorted(self._claims, key=lambda member: (self._claims[member].generation, member))
        return {task: member for member in by_age for task in self._claims[member].owned if task in self._tasks}

    def places(self) -> dict[str, Place]:
        wanted = self._shared_out()
        active = {task: self._runs_now(task, wanted[task]) for task in self._tasks}
        copies = self._copies(active)
        return {
            member: Place(
                claim.url,
                _of(member, active.items()),
                tuple(task for task in self._tasks if member in copies[task]),
                tuple(task for task in _of(member, wanted.items()) if active[task] != member),
            )
            for member, claim in self._claims.items()
        }

    def _shared_out(self) -> dict[int, str]:
        """Task -> the member that is to run it: each has as many as the others, give or take one; few tasks move."""
        least, more = divmod(len(self._tasks), len(self._claims))
        wanted: dict[int, str] = {}
        room: dict[str, int] = {}
        owned = {member: self._kept_first(member) for member in self._claims}
        for member in sorted(owned, key=lambda one: (-len(owned[one]), one)):
            room[member] = least + (more > 0)
            more -= more > 0
            for task in owned[member][: room[member]]:
                wanted[task] = member
                room[member] -= 1
        pairs = [(-self._held(member, task), task, member) for task in self._tasks for member in self._claims]
        for _, task, member in sorted(pairs):
            if task not in wanted and room[member]:
                wanted[task] = member
                room[member] -= 1
        return wanted

    def _kept_first(self, member: str) -> list[int]:
        """The tasks that it owns, those in front that others know least of."""
        others = [other for other in self._claims if other != member]
        tasks = [task for task, owner in self._owners.items() if owner == member]
        return sorted(tasks, key=lambda task: (max((self._held(one, task) for one in others), default=0), task))

    def _runs_now(self, task: int, wanted: str) -> str:
        """The member that is to run it, if its copy is warm; until then the present owner, else the warmest."""
        if self._is_warm(wanted, task):
            return wanted
        return self._owners.get(task) or max(self._claims, key=lambda member: (self._held(member, task), member))

    def _copies(self, active: Mapping[int, str]) -> dict[int, list[str]]:
        """Task -> the members that keep a copy: warm ones first, else those that have few."""
        count = dict.fromkeys(self._claims, 0)
        copies: dict[int, list[str]] = {}
        wished = max(claim.standbys for claim in self._claims.values())
        for task in self._tasks:
            others = [member for member in self._claims if member != active[task]]
            others.sort(key=lambda member: (not self._knows(member, task), count[member], member))
            copies[task] = others[:wished]
            for member in copies[task]:
                count[member] += 1
        return copies

    def _knows(self, member: str, task: int) -> bool:
        return self._held(member, task) > 0 and self._is_warm(member, task)


def _of(member: str, tasks: Iterable[tuple[int, str]]) -> tuple[int, ...]:
    return tuple(sorted(task for task, owner in tasks if owner == member))
