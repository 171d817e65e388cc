"""`make simulate ARGS="..."`: the whole system on one virtual clock, seed after seed, in the midst of troubles.

Prints what came of each seed. One that fails is kept in a file and made smaller. Exit code 1: a seed failed.
"""

import argparse
import sys
import time
from pathlib import Path

import msgspec
import pytest

from app.observability.log import setup
from tests.chaos.seeded.shrinking import smallest
from tests.simulation.plan import Happens, Plan, dump, lines, load, plan_of
from tests.simulation.planted import PLANTS
from tests.simulation.playing import Verdict, play

SHOWN = 12


def main() -> int:
    asked = arguments().parse_args()
    setup("critical")
    with pytest.MonkeyPatch.context() as patch:
        if asked.plant:
            PLANTS[asked.plant](patch)
        return _simulate(asked)


def _simulate(asked: argparse.Namespace) -> int:
    if asked.plan:
        plans = [load(asked.plan.read_bytes())]
    else:
        plans = [plan_of(seed, asked.orders) for seed in range(asked.seed, asked.seed + asked.seeds)]
    failed = [plan for plan in plans if not _played(plan).clean]
    for plan in failed if asked.shrink else ():
        _make_smaller(plan, asked.data, asked.shrink)
    _say(f"{len(plans) - len(failed)} of {len(plans)} seeds are clean")
    return 1 if failed else 0


def _played(plan: Plan) -> Verdict:
    began = time.process_time()
    verdict = play(plan)
    _say(
        f"seed {plan.seed}: {verdict.orders} orders, {verdict.confirmed} confirmed, {verdict.cancelled} cancelled, "
        f"{verdict.charged_minor} charged, {len(verdict.wrong)} wrong, {time.process_time() - began:.1f} s"
    )
    for difference in verdict.wrong[:SHOWN]:
        _say(f"  {difference.kind}: {difference.subject}: {difference.expected} but {difference.actual}")
    return verdict


def _make_smaller(plan: Plan, directory: Path, tries: int) -> None:
    """Drop orders and troubles as long as the rest fails."""
    _say(f"making seed {plan.seed} smaller, {tries} runs at most")

    def fails(kept: tuple[Happens, ...]) -> bool:
        return not play(msgspec.structs.replace(plan, happens=kept)).clean

    small = msgspec.structs.replace(plan, happens=smallest(plan.happens, fails, tries))
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"seed-{plan.seed}.json"
    file.write_bytes(dump(small))
    _say("\n".join([f"the smallest that failed, {len(small.happens)} happenings, kept in {file}:", *lines(small)]))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--plan", type=Path, help="repeat the plan in this file")
    parser.add_argument("--shrink", type=int, default=200, help="runs at most to make a failing plan smaller")
    parser.add_argument("--plant", choices=("", *PLANTS), default="", help="a bug that must be found")
    parser.add_argument("--data", type=Path, default=Path(".orderflow/simulation"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
