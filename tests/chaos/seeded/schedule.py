"""What is done to a system, and when: made from a seed, kept in a file, shown as lines. Pure."""

import random
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

Target: TypeAlias = Literal["leader", "controller"]

GAP_S = (0.3, 3.0)
LONGEST_WAIT_S = 10.0  # what a step may take besides, on the average


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """kill -9 of a machine, which starts again at once, with or without its disk."""

    after_s: float
    pick: int
    wipes: bool


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """SIGTERM to a machine, which then starts again."""

    after_s: float
    pick: int


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """SIGSTOP, and SIGCONT so many seconds after the end of its session; other steps go on meanwhile."""

    after_s: float
    pick: int
    past_session_s: float


class Add(msgspec.Struct, frozen=True, tag="add"):
    """One machine more; at the most there may be, nothing."""

    after_s: float


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """SIGTERM to a machine, for good; at the fewest there may be, nothing."""

    after_s: float
    pick: int


class Bounce(msgspec.Struct, frozen=True, tag="bounce"):
    """A broker ends, cleanly or by kill -9, and is back after a while: `away_s` of 0 is a bounce, more a shutdown."""

    after_s: float
    target: Target
    pick: int
    hard: bool
    away_s: float


Step: TypeAlias = Kill | Stop | Pause | Add | Remove | Bounce
Make: TypeAlias = Callable[[random.Random, float], Step]

MAKERS: dict[str, Make] = {
    "kill": lambda chance, gap: Kill(gap, chance.randrange(100), wipes=False),
    "wipe": lambda chance, gap: Kill(gap, chance.randrange(100), wipes=True),
    "stop": lambda chance, gap: Stop(gap, chance.randrange(100)),
    "pause": lambda chance, gap: Pause(gap, chance.randrange(100), round(chance.uniform(0.2, 3.0), 2)),
    "add": lambda _, gap: Add(gap),
    "remove": lambda chance, gap: Remove(gap, chance.randrange(100)),
    "bounce": lambda chance, gap: Bounce(
        gap,
        chance.choice(get_args(Target)),
        chance.randrange(100),
        hard=chance.random() < 0.5,
        away_s=chance.choice((0.0, round(chance.uniform(2.0, 8.0), 2))),
    ),
}


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run is made of. `after_s` of a step counts from the end of the step before it.

    `rate`: events per second, of as many orders at a time as `orders` says. `events`: as many at least, and each step
    waits until its share of them was sent.
    """

    seed: int
    steps: tuple[Step, ...]
    machines: int = 3
    brokers: int = 3
    rate: int = 300
    orders: int = 500
    events: int = 0
    plant: str = ""


def steps(seed: int, count: int, kinds: Sequence[str] = tuple(MAKERS)) -> tuple[Step, ...]:
    """The steps of a seed; the same ones at every call."""
    chance = random.Random(seed)
    return tuple(MAKERS[chance.choice(kinds)](chance, round(chance.uniform(*GAP_S), 2)) for _ in range(count))


def steps_within(seed: int, seconds: float, kinds: Sequence[str] = tuple(MAKERS)) -> tuple[Step, ...]:
    """As many of them as fit into that time, about: how long a step takes is known afterwards."""
    found: list[Step] = []
    left = seconds
    for step in steps(seed, int(seconds / GAP_S[0]) + 1, kinds):
        left -= step.after_s + (LONGEST_WAIT_S if isinstance(step, Bounce) else 0.0)
        if left < 0:
            break
        found.append(step)
    return tuple(found)


def label(step: Step) -> str:
    """The step in a few words."""
    fields = msgspec.to_builtins(step)
    kind = fields.pop("type")
    return " ".join([kind, *(f"{name}={value}" for name, value in fields.items() if name != "after_s")])


def lines(schedule: Schedule) -> list[str]:
    """The schedule for a reader: each step with when it begins, if no step took any time."""
    shown, at = [], 0.0
    for number, step in enumerate(schedule.steps, 1):
        at += step.after_s
        shown.append(f"{number:4} {at:8.2f} s  +{step.after_s:.2f} s  {label(step)}")
    return shown


def dump(schedule: Schedule) -> bytes:
    return msgspec.json.format(msgspec.json.encode(schedule)) + b"\n"


def load(data: bytes) -> Schedule:
    """A schedule from its file; `msgspec.ValidationError` says what is wrong with it."""
    return msgspec.json.decode(data, type=Schedule)
