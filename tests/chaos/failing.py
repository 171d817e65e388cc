"""Many records fail, for a while or for good, while workers are killed; the bug is fixed and all letters come back.
`make failures` runs the long form.

Judged by what handlers note themselves in a file that outlives them, and by rows and outputs, which are made without
any guard: an inversion, a loss or a second effect would show in both.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from app.embedded.kafka import KafkaServer
from app.observability.log import setup
from app.streaming.kafka.messages import to_record
from app.streaming.letters import Letter, Outcome, read_letter_topic, redrive_output
from app.streaming.names import dlq_topic
from app.streaming.record import Record
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import Log, differences
from tests.engine.topologies import Faults, Tick
from tests.waiting import until

WORKERS = ("a", "b", "c")
DELAYS_MS = (500, 1_000, 2_000)
PARKED_MOST = 10
FOR_A_WHILE, FOR_GOOD = 0.05, 0.01  # shares of the records
ROUNDS = 10
PARTS = 20  # of a second: the load is steady, so that a kill finds work under way

Kind: TypeAlias = Literal["counting", "acting"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind = "counting"
    seed: int = 1
    events: int = 100_000
    keys: int = 2_000
    per_second: int = 2_000
    kill_every_s: float = 10.0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """`repeated`: effects that were done again after a kill, by the handler's own log. `behind`: letters that had not
    failed. `wrong`: inversions, losses and second effects in rows and outputs."""

    plan: Plan
    kills: int
    letters: int
    behind: int
    repeated: int
    inversions: int
    lost: int
    wrong: tuple[str, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        return not self.inversions and not self.lost and not self.wrong


def ticks_of(plan: Plan) -> list[Tick]:
    rng = random.Random(plan.seed)
    numbers: Counter[str] = Counter()
    found = []
    for _ in range(plan.events):
        key, chance = f"key-{rng.randrange(plan.keys)}", rng.random()
        numbers[key] += 1
        tick = Tick(key=key, number=numbers[key], permanent=chance < FOR_GOOD)
        found.append(replace(tick, fails=rng.randint(1, 2)) if FOR_GOOD < chance < FOR_GOOD + FOR_A_WHILE else tick)
    return found


class Killer:
    """kill -9 of a worker chosen by the seed, which starts again at once, now and then until its end; every other one
    has lost its disk. Each time all partitions are active again before the next interval begins."""

    def __init__(self, cluster: Cluster, workers: Sequence[WorkerProcess], plan: Plan) -> None:
        self._cluster, self._workers, self._every_s = cluster, list(workers), plan.kill_every_s
        self._random = random.Random(plan.seed)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.kills = 0

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            victim = self._workers.pop(self._random.randrange(len(self._workers)))
            victim.kill()
            if self.kills % 2:
                shutil.rmtree(self._cluster.data_of(str(victim)), ignore_errors=True)
            self._workers.append(self._cluster.start(str(victim)))
            self.kills += 1
            # where a recovery takes longer than the interval, nothing would be done between two kills
            until(lambda: self._end.is_set() or self._cluster.is_whole(), "all partitions are active again")


def open_letters(records: Iterable[Record]) -> list[Letter]:
    """Those of a DLQ topic that nothing final became of; what waits behind others comes after them, in its sequence."""
    found = [read_letter_topic(record) for record in records]
    over = {one.letter for one in found if isinstance(one, Outcome) and one.result != "returned"}
    letters = [one for one in found if isinstance(one, Letter) and one.id not in over]
    return sorted(letters, key=lambda letter: letter.sequence or 0)


def send_all_back(cluster: Cluster) -> None:
    """Until no letter is left."""
    log, topic = cluster.log, dlq_topic(cluster.topology.group)
    for _ in range(ROUNDS):
        letters = open_letters([to_record(message) for message in log.records(topic)])
        if not letters:
            return
        for letter in letters:
            output = redrive_output(letter, "redrive", "run-1")
            log.producer.produce(output.topic, output.value, output.key, output.partition, headers=list(output.headers))
        assert log.producer.flush(60) == 0
        cluster.quiet()
    raise AssertionError("letters never come to an end")


def run(log: Log, directory: Path, name: str, plan: Plan) -> Found:
    began, sent = time.monotonic(), ticks_of(plan)
    faults = Faults(directory / "shared")
    faults.note_effects()
    with Cluster(log, directory, plan.kind, name, delays_ms=DELAYS_MS, parked_most=PARKED_MOST) as cluster:
        workers = [cluster.start(worker) for worker in WORKERS]
        cluster.ready(*workers)
        with Killer(cluster, workers, plan) as killer:
            part = max(1, plan.per_second // PARTS)
            for begin in range(0, len(sent), part):
                log.send(cluster.source, sent[begin : begin + part])
                time.sleep(1 / PARTS)
            cluster.quiet()
            faults.fixed.touch()
            send_all_back(cluster)
        cluster.quiet()
        letters = [read_letter_topic(to_record(one)) for one in log.records(dlq_topic(cluster.topology.group))]
        dead = [one for one in letters if isinstance(one, Letter)]
        effects = faults.effects()
        return Found(
            plan=plan,
            kills=killer.kills,
            letters=len(dead),
            behind=sum([one.sequence is not None for one in dead]),
            repeated=len(effects) - len(set(effects)),
            inversions=inversions(effects),
            lost=len({(tick.key, tick.number) for tick in sent} - set(effects)),
            wrong=tuple(differences(log, cluster.topology, sent)),
            seconds=round(time.monotonic() - began, 1),
        )


def inversions(effects: Iterable[tuple[str, int]]) -> int:
    """How often the first effect of a record came after that of a later record of its key."""
    last: dict[str, int] = defaultdict(int)
    found = 0
    for key, number in dict.fromkeys(effects):
        found += number < last[key]
        last[key] = max(last[key], number)
    return found


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make failures", description=main.__doc__)
    parser.add_argument("--kind", choices=("counting", "acting"), default="counting")
    for field in ("seed", "events", "keys", "per_second"):
        parser.add_argument("--" + field.replace("_", "-"), type=int, default=getattr(Plan(), field))
    parser.add_argument("--kill-every-s", type=float, default=Plan().kill_every_s)
    return parser


def main() -> int:
    """Print what came of it; 1 when anything was out of order, lost or done twice."""
    plan = Plan(**vars(arguments().parse_args()))
    setup("error")
    with tempfile.TemporaryDirectory() as directory:
        server = KafkaServer(Path(directory) / "kafka")
        server.start()
        try:
            found = run(Log(server.bootstrap), Path(directory), f"failing-{plan.kind}", plan)
        finally:
            server.stop()
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main())
