"""What befalls the worker, made from a seed: every point as often as any other, in an order of chance."""

from collections.abc import Iterator
from itertools import islice
from random import Random

import msgspec

from tests.engine.points import CHECKPOINT, POINTS

AT_RANDOM = "at random"
KEEP, DAMAGE, WIPE = "keep", "damage", "wipe"
FATES = (KEEP,) * 7 + (DAMAGE,) + (WIPE,) * 2  # of the disk, ten kills at a time
COMMITS = 12  # the latest of the occurrences that a kill waits for, in a life of a worker
RESTORES = 3  # each of four tasks passes a point of its restore
REPLAYS = ("rows.", "replay.")  # but not these, when it has nothing to replay
LONGEST_S = 3.0


class Kill(msgspec.Struct, frozen=True):
    """`on`: at which arrival at the point; `after_s`: at random, counted from the start of the process."""

    point: str
    on: int
    after_s: float
    disk: str


def plan(seed: int, kills: int) -> list[Kill]:
    rng = Random(seed)
    return [
        Kill(point, rng.randint(1, _latest(point)), round(rng.uniform(0, LONGEST_S), 3), disk)
        for point, disk in islice(zip(_shuffled(rng, (*POINTS, AT_RANDOM)), _shuffled(rng, FATES), strict=False), kills)
    ]


def _latest(point: str) -> int:
    if point in CHECKPOINT:
        return COMMITS
    return 1 if point.startswith(REPLAYS) else RESTORES


def _shuffled(rng: Random, things: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from rng.sample(things, len(things))
