"""One worker under load that dies as planned, again and again; its rows are held against a plain count of the log."""

import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.embedded.kafka import KafkaServer
from tests.chaos.engine_load import Load
from tests.chaos.steps.files import Disk
from tests.chaos.steps.lives import NAME, lives, note_of
from tests.chaos.steps.plan import AT_RANDOM, Kill
from tests.chaos.steps.rows import unlike
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import Log, differences
from tests.engine.points import LATE, POINTS
from tests.waiting import until

TOPOLOGY = "steps"
ROW_SIZE = 20_000  # bytes: each store writes a file every few lives
DIES_WITHIN_S = 40.0
LARGE, LARGE_PER_S = 100_000, 80  # rows of which each store writes a file at once
FULL_AT = 30_000  # bytes: no file may grow past this


class Outcome(msgspec.Struct, frozen=True):
    """`killed`: point -> kills there; `late`: of those amid a call, the ones that it returned before. `damaged`: files
    by pattern; `set_aside`: stores that were found damaged. `wrong`: where rows or outputs were not the count;
    `faults`: anything else."""

    killed: dict[str, int]
    late: dict[str, int]
    damaged: dict[str, int]
    set_aside: int
    wiped: int
    full: int
    events: int
    checks: int
    seconds: float
    wrong: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not self.wrong and not self.faults


class Run:
    """The tallies of a run under way."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.disk = Disk(cluster.data_of(NAME), f"{TOPOLOGY}-?", seed)
        self.killed: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.full = self.checks = 0
        self.wrong: list[str] = []
        self.faults: list[str] = []

    def begin(self) -> None:
        """A life that leaves something to restore to the first one that is killed as planned."""
        worker = self.cluster.start(NAME)
        self.cluster.ready(worker)
        out = self.cluster.topology.outputs[0]
        until(lambda: all(self.cluster.log.ends(out).values()), "outputs of every task")
        worker.kill()

    def kills(self, kills: Sequence[Kill]) -> None:
        """The worker dies where it is to, and what is planned befalls its disk."""
        for kill, worker in lives(self.cluster, kills):
            if kill.point == AT_RANDOM:
                time.sleep(kill.after_s)
                worker.kill()
                self.killed[kill.point] += 1
            else:
                self._await(worker, kill)
            self.disk.befall(kill.disk)

    def _await(self, worker: WorkerProcess, kill: Kill) -> None:
        note, until_s = note_of(self.cluster), time.monotonic() + DIES_WITHIN_S
        while worker.is_alive() and time.monotonic() < until_s:
            time.sleep(0.01)
        if worker.is_alive():
            worker.kill()
            self.faults.append(f"{kill.point} was not reached {kill.on} times within {DIES_WITHIN_S:.0f} s")
        elif not note.exists():
            self.faults.append(f"the worker ended by itself before {kill.point}: {worker.said()[-500:]}")
        else:
            self.killed[kill.point] += 1
            self.late[kill.point] += note.read_text() == LATE

    def fill(self) -> None:
        """Another worker goes on, on a disk of its own that is full until it has said so."""
        worker = self.cluster.start("full")
        try:
            self.cluster.ready(worker)
            worker.limit_files(FULL_AT)
            until(lambda: "is full" in str(worker.tasks()["unready"]), "a full disk is told of")
            worker.limit_files(resource.RLIM_INFINITY)
            self.cluster.ready(worker)
            self.full += 1
        except AssertionError as error:
            self.faults.append(str(error))
        worker.kill()

    def check(self, load: Load) -> None:
        """Everything sent was counted once, by the topics and by the disk; the worker ends in order."""
        worker = self.cluster.start(NAME)
        try:
            self.cluster.ready(worker)
            self.cluster.quiet()
            self.wrong += differences(self.cluster.log, self.cluster.topology, load.sent)
            self.wrong += unlike(worker.get, load.sent)
        except AssertionError as error:
            self.faults.append(str(error))
        if worker.is_alive() and worker.stop() != 0:
            self.faults.append("the worker did not end in order")
        self.checks += 1

    def found(self) -> str:
        return f"{len(self.wrong)} wrong, {len(self.faults)} faults"

    def end(self, kills: int) -> None:
        """What a long run must have done, or it has shown less than it is there to show."""
        missed = [point for point in POINTS if not self.killed[point]] if kills > len(POINTS) else []
        self.faults += [f"nothing died at {point}" for point in missed]
        if self.disk.due:
            self.faults.append(f"{self.disk.due} files to be damaged were never there")

    def outcome(self, events: int, seconds: float) -> Outcome:
        said = (self.cluster.data_of(f"{NAME}.log")).read_text(errors="replace")
        return Outcome(
            killed=dict(self.killed),
            late=dict(+self.late),
            damaged=dict(self.disk.damaged),
            set_aside=said.count('"store.set_aside"'),
            wiped=self.disk.wiped,
            full=self.full,
            events=events,
            checks=self.checks,
            seconds=round(seconds, 1),
            wrong=tuple(self.wrong),
            faults=tuple(self.faults),
        )


def run(kills: Sequence[Kill], seed: int, every: int, directory: Path, say: Callable[[str], None]) -> Outcome:
    """All kills, with a check after each `every` of them, while nothing is sent; then a full disk, and a check."""
    began = time.monotonic()
    server = KafkaServer(directory / "kafka")
    server.start()
    try:
        log = Log(server.bootstrap)
        with Cluster(log, directory, "counting", TOPOLOGY, static=True, state_memory_mb=16) as cluster:
            told = Run(cluster, seed)
            load = Load(log, cluster.source, row_size=ROW_SIZE)
            with load:
                told.begin()
            for first in range(0, len(kills), every):
                block, since = kills[first : first + every], time.monotonic()
                load = load.next(row_size=ROW_SIZE)
                with load:
                    told.kills(block)
                each = (time.monotonic() - since) / len(block)
                told.check(load)
                say(f"{first + len(block)} kills, {each:.1f} s each, {len(load.sent)} events: {told.found()}")
            load = load.next(LARGE_PER_S, LARGE)
            with load:
                told.fill()
            told.check(load)
            say(f"{told.full} full disk, {len(load.sent)} events: {told.found()}")
            told.end(len(kills))
            return told.outcome(len(load.sent), time.monotonic() - began)
    finally:
        server.stop()
