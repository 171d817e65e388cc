"""One run: a schedule is carried out under load, and in the end everything is held against the log."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from app.errors import SetupError
from tests.chaos.seeded import verdict
from tests.chaos.seeded.orders import Load, Stream
from tests.chaos.seeded.schedule import Add, Bounce, Kill, Pause, Remove, Schedule, Step, Stop, label
from tests.chaos.seeded.system import System

Announce = Callable[[str], None]
HEALED_S = 60.0  # of `drained_s`, at most


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run. `drained_s`: after each broker's return, until all that was in the log then was done."""

    seed: int
    steps: int
    events: int
    wrong: tuple[str, ...]
    stale: tuple[str, ...]
    faults: tuple[str, ...]
    drained_s: tuple[float, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        return not (self.wrong or self.stale or self.faults) and max(self.drained_s, default=0.0) <= HEALED_S


def run(schedule: Schedule, directory: Path, announce: Announce = lambda _: None) -> Outcome:
    """Uses `directory`, which must not exist or be empty, for all files of the run."""
    began = time.monotonic()
    with System(directory, schedule.machines, schedule.brokers, schedule.plant) as system:
        stream = Stream(schedule.seed, schedule.orders)
        with Load(system.settings.kafka, stream, schedule.rate) as load:
            for number, step in enumerate(schedule.steps, 1):
                time.sleep(step.after_s)
                load.wait_for(schedule.events * number // len(schedule.steps))
                announce(f"{time.monotonic() - began:7.1f} s  {number}/{len(schedule.steps)} {label(step)}")
                known = len(system.faults)
                carry_out(step, system)
                system.look()
                for fault in system.faults[known:]:
                    announce(f"  fault: {fault}")
        announce(f"{time.monotonic() - began:7.1f} s  the load has ended; waiting for all to be done")
        system.settle()
        return Outcome(
            seed=schedule.seed,
            steps=len(schedule.steps),
            events=len(load.acknowledged),
            wrong=tuple(verdict.wrong(system, load.acknowledged)),
            stale=tuple(verdict.stale(system)),
            faults=(*system.faults, *load.lost),
            drained_s=tuple(system.drained_s),
            seconds=round(time.monotonic() - began, 1),
        )


def carry_out(step: Step, system: System) -> None:
    match step:
        case Kill():
            system.kill(step.pick, wipes=step.wipes)
        case Stop():
            system.stop(step.pick)
        case Pause():
            system.pause(step.pick, step.past_session_s)
        case Add():
            system.add()
        case Remove():
            system.remove(step.pick)
        case Bounce():
            find = system.cluster.controller if step.target == "controller" else partial(system.leader, step.pick)
            try:
                system.bounce(find, hard=step.hard, away_s=step.away_s)
            except SetupError as error:
                system.faults.append(f"a broker could not be bounced: {error}")
