"""`make chaos ARGS="..."`: workers and brokers fail by a seeded schedule under load; tables must equal the log's fold.

Prints the schedule, keeps it in a file that `--schedule` repeats, and makes a failing one smaller. Exit code 1: failed.
"""

import argparse
import shutil
import sys
from pathlib import Path

import msgspec

from app.observability.log import setup
from tests.chaos.seeded.run import Outcome, run
from tests.chaos.seeded.schedule import MAKERS, Schedule, Step, dump, lines, load, steps, steps_within
from tests.chaos.seeded.shrinking import smallest
from tests.chaos.seeded.worker import PLANTS

SHOWN = 12


def main() -> int:
    asked = arguments().parse_args()
    setup("error")
    schedule = load(asked.schedule.read_bytes()) if asked.schedule else _schedule(asked)
    tries = Tries(schedule, asked.data / f"seed-{schedule.seed}", quiet=asked.json)
    tries.say("\n".join([f"seed {schedule.seed}, {len(schedule.steps)} steps, kept in {tries.file}", *lines(schedule)]))
    outcome = tries.attempt(schedule.steps)
    _show(outcome, tries)
    if not outcome.clean and asked.shrink:
        tries.say(f"making the schedule smaller, {asked.shrink} runs at most")
        found = smallest(schedule.steps, lambda kept: not tries.attempt(kept).clean, asked.shrink)
        small = msgspec.structs.replace(schedule, steps=found)
        tries.smallest.write_bytes(dump(small))
        shown = [f"the smallest that failed: {len(found)} steps, kept in {tries.smallest}", *lines(small)]
        tries.say("\n".join(shown))
    if asked.json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    return 0 if outcome.clean else 1


class Tries:
    """Runs of a schedule or of parts of it, in one directory; the files of a failed one stay until the next."""

    def __init__(self, schedule: Schedule, directory: Path, *, quiet: bool) -> None:
        self._schedule, self._directory, self._quiet = schedule, directory, quiet
        directory.mkdir(parents=True, exist_ok=True)
        self.file, self.smallest = directory / "schedule.json", directory / "smallest.json"
        self.file.write_bytes(dump(schedule))

    def say(self, text: str) -> None:
        if not self._quiet:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def attempt(self, kept: tuple[Step, ...]) -> Outcome:
        place = self._directory / "run"
        shutil.rmtree(place, ignore_errors=True)
        outcome = run(msgspec.structs.replace(self._schedule, steps=kept), place, self.say)
        self.say(f"{len(kept)} steps: {'clean' if outcome.clean else 'failed'}")
        if outcome.clean:
            shutil.rmtree(place)
        return outcome


def _show(outcome: Outcome, tries: Tries) -> None:
    for name in ("faults", "wrong", "stale"):
        found = getattr(outcome, name)
        tries.say("\n".join([f"{name}: {len(found)}", *(f"  {one}" for one in found[:SHOWN])]))
    drained = f", lag gone within {max(outcome.drained_s)} s of a broker's return" if outcome.drained_s else ""
    tries.say(f"{outcome.events} events, {outcome.steps} steps, {outcome.seconds} s{drained}")


def _schedule(asked: argparse.Namespace) -> Schedule:
    kinds = tuple(asked.kinds.split(","))
    made = steps(asked.seed, asked.steps, kinds) if asked.steps else steps_within(asked.seed, asked.minutes * 60, kinds)
    return Schedule(
        seed=asked.seed,
        steps=made,
        machines=asked.machines,
        brokers=asked.brokers,
        rate=asked.rate,
        events=asked.events,
        orders=asked.orders,
        plant=asked.plant,
    )


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the steps take, about")
    parser.add_argument("--steps", type=int, default=0, help="how many steps, in place of --minutes")
    parser.add_argument("--kinds", default=",".join(MAKERS), help="of these kinds only; a repeated one is likelier")
    parser.add_argument("--schedule", type=Path, help="repeat the schedule in this file")
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--rate", type=int, default=300, help="events per second")
    parser.add_argument("--orders", type=int, default=500, help="open at a time")
    parser.add_argument("--events", type=int, default=0, help="at least; the steps are spread over them")
    parser.add_argument("--shrink", type=int, default=20, help="runs at most to make a failing schedule smaller")
    parser.add_argument("--plant", choices=("", *PLANTS), default="", help="a fault that must be found")
    parser.add_argument("--data", type=Path, default=Path(".orderflow/chaos"))
    parser.add_argument("--json", action="store_true", help="print nothing but the result, on one line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
