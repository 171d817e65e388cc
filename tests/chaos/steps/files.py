"""What is done to the disk of a worker that has died."""

import shutil
from collections import Counter
from pathlib import Path
from random import Random

from tests.chaos.steps.plan import DAMAGE, WIPE
from tests.engine.damage import DAMAGES

TARGETS = ("*.sst", "MANIFEST-*", "*.sst", "CURRENT")  # they take turns: rows, and what says which files are of use


class Disk:
    """`stores`: a pattern of its stores' directories. A file that is not there yet is damaged at a later death."""

    def __init__(self, directory: Path, stores: str, seed: int) -> None:
        self._directory, self._stores, self._rng = directory, stores, Random(seed)
        self.damaged: Counter[str] = Counter()
        self.wiped = self.due = 0

    def befall(self, fate: str) -> None:
        self.due += fate == DAMAGE
        if fate == WIPE:
            shutil.rmtree(self._directory, ignore_errors=True)
            self.wiped += 1
        elif self.due:
            self._damage(TARGETS[self.damaged.total() % len(TARGETS)])

    def _damage(self, target: str) -> None:
        stores = sorted(path for path in self._directory.glob(self._stores) if any(path.glob(target)))
        if stores:
            self._rng.choice(DAMAGES)(self._rng.choice(stores), self._rng, target)
            self.damaged[target] += 1
            self.due -= 1
