"""The lives of a worker whose end is planned, one after another."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from tests.chaos.steps.plan import AT_RANDOM, Kill
from tests.engine.cluster import Cluster, WorkerProcess

NAME = "a"

_numbers = count()


def note_of(cluster: Cluster) -> Path:
    """What a worker says of its death."""
    return cluster.data_of("shared") / "died_at"


def lives(cluster: Cluster, kills: Sequence[Kill]) -> Iterator[tuple[Kill, WorkerProcess]]:
    """Each begins when it is asked for; its process was started before, so that it has loaded its code by then."""
    ahead = [_waiting(cluster, kill) for kill in kills[:1]]
    for number, kill in enumerate(kills):
        worker, go = ahead.pop()
        ahead += [_waiting(cluster, following) for following in kills[number + 1 : number + 2]]
        note_of(cluster).unlink(missing_ok=True)
        go.touch()
        yield kill, worker


def _waiting(cluster: Cluster, kill: Kill) -> tuple[WorkerProcess, Path]:
    go = cluster.data_of("shared") / f"go-{next(_numbers)}"
    dies_at = "" if kill.point == AT_RANDOM else kill.point
    return cluster.start(NAME, dies_at=dies_at, dies_on=kill.on, waits_for=str(go)), go
