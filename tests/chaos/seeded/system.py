"""The system of a run: brokers, topics, machines; what it is told is done, and what goes wrong meanwhile is noted."""

import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException

from app.config import Settings
from app.embedded.cluster import KafkaCluster, KafkaNode
from app.errors import SetupError
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.topology import Topology
from app.verify.kafka import KafkaReader
from tests.chaos.seeded import tallies
from tests.chaos.seeded.lag import Ends, Lag
from tests.chaos.seeded.machines import Machine
from tests.chaos.seeded.worker import topology_of
from tests.killing import kill
from tests.waiting import PATIENCE_S
from topologies import order_views

SESSION_S = 3.0
FEWEST, MOST = 2, 5
LOOK_S = 0.2
HELD = ("timers", "parked", "delayed", "in_flight", "dirty")


class System:
    """A context that leaves no process behind. `faults`: what should not have happened, in words."""

    def __init__(self, directory: Path, machines: int, brokers: int, plant: str) -> None:
        self.cluster = KafkaCluster(directory / "kafka", brokers)
        self.faults: list[str] = []
        self.drained_s: list[float] = []
        self.settings = Settings(
            kafka=self.cluster.bootstrap,
            data=directory / "machines",
            session_timeout=SESSION_S,
            retry_delays_ms=(100, 200, 400),
        )
        names = (order_views.NAME, tallies.NAME)
        self.topologies: dict[str, Topology] = {name: topology_of(name, self.settings) for name in names}
        self.kafka = KafkaReader(self.settings.kafka)
        self._lag = Lag(self.settings.kafka, self.topologies.values(), self.settings.partitions)
        self._plant, self._made, self._first = plant, 0, machines
        self.machines: list[Machine] = []
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> "System":
        self.settings.data.mkdir(parents=True)
        try:
            self.cluster.start()
            specs = [spec for topology in self.topologies.values() for spec in topology.topics()]
            unique = list({spec.name: spec for spec in specs}.values())
            topics.apply(self.settings.kafka, unique, self.settings.partitions, self.cluster.replication)
            for _ in range(self._first):
                self.add()
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        for machine in self.machines:
            machine.kill(wipes=False)
        for node in self.cluster.nodes:
            if node.alive():
                kill(node)  # nobody needs its data in order
        self._lag.close()

    # what a step does

    def pick(self, number: int) -> Machine:
        return self.machines[number % len(self.machines)]

    def add(self) -> None:
        if len(self.machines) < MOST:
            self._made += 1
            machine = Machine(f"m{self._made}", self.settings, tuple(self.topologies), self._plant)
            machine.start()
            self.machines.append(machine)

    def remove(self, number: int) -> None:
        if len(self.machines) > FEWEST:
            machine = self.pick(number)
            self.faults += machine.stop()
            self.machines.remove(machine)

    def kill(self, number: int, *, wipes: bool) -> None:
        machine = self.pick(number)
        machine.kill(wipes=wipes)
        machine.start()

    def stop(self, number: int) -> None:
        machine = self.pick(number)
        self.faults += machine.stop()
        machine.start()

    def pause(self, number: int, past_session_s: float) -> None:
        machine = self.pick(number)
        machine.signal(signal.SIGSTOP)
        timer = threading.Timer(SESSION_S + past_session_s, machine.signal, (signal.SIGCONT,))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def leader(self, partition: int) -> KafkaNode:
        return self.cluster.leader(ORDERS_EVENTS, partition % self.settings.partitions)

    def bounce(self, find: Callable[[], KafkaNode], *, hard: bool, away_s: float) -> None:
        """Lose a broker, and note how long all that was then in the log took to be done after it was back."""
        self._until(self.cluster.is_whole, "every replica in sync")
        node = find()
        if hard:
            kill(node)
        else:
            node.stop()
        time.sleep(away_s)
        node.start()
        self._drain(node)

    def _drain(self, node: KafkaNode) -> None:
        began, ends = time.monotonic(), Ends()

        def drained() -> bool:
            if not ends:
                ends.update(self._lag.ends())
            return self._lag.behind(ends) == 0

        self._until(drained, f"lag gone after broker {node.node} was back")
        self.drained_s.append(round(time.monotonic() - began, 1))

    def look(self) -> None:
        """Note workers that died, and replace them as a supervisor would."""
        for machine in self.machines:
            self.faults += machine.died()

    # what the system comes to

    def wait_ready(self) -> None:
        self._until(self._is_ready, "every partition active on one machine")

    def settle(self) -> None:
        """Everything that is in the log is done, and no timer waits; what does not get on for a while is a fault."""
        for timer in self._timers:
            timer.join()
        least, moved = math.inf, time.monotonic()
        while least:
            left = self._left()
            if left < least:
                least, moved = left, time.monotonic()
            elif time.monotonic() - moved > PATIENCE_S:
                self.faults.append(f"nothing got on for {PATIENCE_S:.0f} s, with {least} records and timers left")
                return
            self.look()
            time.sleep(LOOK_S)

    def _is_ready(self) -> bool:
        wanted = list(range(self.settings.partitions))
        return all(sorted(self._active(name)) == wanted for name in self.topologies)

    def _active(self, name: str) -> list[int]:
        tasks = [task for machine in self.machines for task in machine.tasks(name)]
        return [task["partition"] for task in tasks if task["state"] == "active"]

    def _left(self) -> float:
        """Records, then timers and the like, that are yet to be done; infinite while that cannot be told."""
        try:
            behind = self._lag.behind()
        except KafkaException:
            return math.inf
        if not self._is_ready():
            return math.inf
        tasks = [task for machine in self.machines for name in self.topologies for task in machine.tasks(name)]
        return behind + sum(int(task[what]) for task in tasks for what in HELD)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self._holds(condition):
            if time.monotonic() > deadline:
                self.faults.append(f"not within {PATIENCE_S:.0f} s: {what}")
                return
            self.look()
            time.sleep(LOOK_S)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (KafkaException, SetupError):  # a broker is away
            return False
