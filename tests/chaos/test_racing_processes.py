"""Many processes append to few orders. `RACE_S=60` is the long form, with sixteen of them."""

import json
import os
import subprocess
import sys
from collections import Counter
from uuid import uuid4

from tests.integration.stored import check_whole
from tests.waiting import PATIENCE_S

RACE_S = float(os.environ.get("RACE_S", "1"))
PROCESSES = 16 if "RACE_S" in os.environ else 3
ORDERS = 12


def test_of_racing_processes_each_version_is_won_once_and_a_repeat_has_its_first_answer(database: str) -> None:
    orders = [str(uuid4()) for _ in range(ORDERS)]
    command = [sys.executable, "-m", "tests.chaos.racing", database, str(RACE_S)]
    racing = [subprocess.Popen([*command, str(seed), *orders], stdout=subprocess.PIPE) for seed in range(PROCESSES)]
    counted: Counter[str] = Counter()
    for process in racing:
        said, _ = process.communicate(timeout=RACE_S + PATIENCE_S)
        assert process.returncode == 0
        counted.update(json.loads(said))
    sys.stdout.write(f"{dict(counted)}\n")  # shown by -s
    check_whole(database, counted["appended"])
