"""`make simulate` tells what came of each seed, and makes one that fails smaller."""

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.plan import Plan, load, plan_of
from tests.waiting import PATIENCE_S

ORDERS, TRIES = 100, 60


def simulate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=dict(os.environ))


def test_seeds_that_are_clean_are_told_and_the_command_succeeds() -> None:
    done = simulate("--seeds", "2", "--orders", "20")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 seeds are clean" in done.stdout
    assert "seed 2: 20 orders" in done.stdout


def test_a_seed_that_fails_is_made_smaller_kept_and_fails_again(tmp_path: Path) -> None:
    planted = ("--plant", "double-charge")
    asked = ("--seeds", "1", "--orders", str(ORDERS), "--shrink", str(TRIES))
    done = simulate(*asked, *planted, "--data", str(tmp_path))
    assert done.returncode == 1, done.stderr
    [kept] = tmp_path.iterdir()
    small: Plan = load(kept.read_bytes())
    assert len(small.happens) < len(plan_of(1, ORDERS).happens) / 4
    assert simulate("--plan", str(kept), *planted, "--shrink", "0").returncode == 1
    assert simulate("--plan", str(kept)).returncode == 0
