"""`make kills ARGS="..."`: kill -9 at each step of checkpoints and restores, damaged files, a full disk; rows must
equal the log.

Exit code 1: a row was wrong, a step was not hit, a file not damaged, or a worker ended by itself.
"""

import argparse
import shutil
import sys
from pathlib import Path

import msgspec

from app.observability.log import setup
from tests.chaos.steps.plan import AT_RANDOM, plan
from tests.chaos.steps.run import Outcome, run
from tests.engine.points import CHECKPOINT, RESTORE

SHOWN = 12


def main() -> int:
    asked = arguments().parse_args()
    setup("error")
    place = asked.data / f"seed-{asked.seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)

    def say(text: str) -> None:
        if not asked.json:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    outcome = run(plan(asked.seed, asked.kills), asked.seed, asked.every, place, say)
    say("\n".join(_lines(outcome)))
    if asked.json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    if outcome.clean:
        shutil.rmtree(place)
    return 0 if outcome.clean else 1


def _lines(outcome: Outcome) -> list[str]:
    lines = []
    for part, points in (("checkpoint", CHECKPOINT), ("restore", RESTORE), ("elsewhere", (AT_RANDOM,))):
        lines += [f"{part}: {sum(outcome.killed.get(point, 0) for point in points)} kills"]
        lines += [_line(outcome, point) for point in points]
    for name, found in (("wrong", outcome.wrong), ("faults", outcome.faults)):
        lines += [f"{name}: {len(found)}", *(f"  {one}" for one in found[:SHOWN])]
    damaged = ", ".join(f"{count} {target}" for target, count in outcome.damaged.items())
    kills, files = sum(outcome.killed.values()), sum(outcome.damaged.values())
    return [
        *lines,
        f"{files} files damaged ({damaged}), {outcome.set_aside} stores set aside",
        f"{outcome.wiped} disks wiped, {outcome.full} full",
        f"{kills} kills, {outcome.checks} checks, {outcome.events} events, {outcome.seconds} s",
    ]


def _line(outcome: Outcome, point: str) -> str:
    late = outcome.late.get(point)
    return f"  {point:<20}{outcome.killed.get(point, 0):>4}" + (f"  {late} after the call" if late else "")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--every", type=int, default=25, help="kills between two checks of all rows")
    parser.add_argument("--data", type=Path, default=Path(".orderflow/kills"))
    parser.add_argument("--json", action="store_true", help="print nothing but the result, on one line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
