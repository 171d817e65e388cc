"""The lives of a worker whose end is planned, one after another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.chaos.steps.plan import AT_RANDOM, Kill
from tests.engine.cluster import Cluster, WorkerProcess

NAME = "a"


def note_of(cluster: Cluster) -> Path:
    """What a worker says of its death."""
    return cluster.data_of("shared") / "died_at"


def lives(cluster: Cluster, kills: Sequence[Kill]) -> Iterator[tuple[Kill, WorkerProcess]]:
    """Each begins when it is asked for."""
    for kill in kills:
        note_of(cluster).unlink(missing_ok=True)
        dies_at = "" if kill.point == AT_RANDOM else kill.point
        yield kill, cluster.start(NAME, dies_at=dies_at, dies_on=kill.on)
