"""The system of a run: brokers, topics, machines; what it is told is done, and what goes wrong meanwhile is noted."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
from confluent_kafka import KafkaException

from app.config import Settings
from app.embedded.cluster import KafkaCluster, KafkaNode
from app.errors import SetupError
from app.serde.topics import ORDERS_EVENTS
from app.streaming.kafka import topics
from app.streaming.topology import Topology
from app.verify.kafka import KafkaReader
from tests.chaos.seeded import fencing, oracle, tallies
from tests.chaos.seeded.lag import Ends, Lag
from tests.chaos.seeded.machines import Machine
from tests.chaos.seeded.worker import topology_of
from tests.engine.broker import kill
from topologies import order_views

SESSION_S = 3.0
READY_S = 90.0
WHOLE_S = 60.0
HEALED_S = 60.0
SETTLED_S = 120.0
FEWEST, MOST = 2, 5
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
        self._until(self.cluster.is_whole, WHOLE_S, "every replica in sync")
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

        self._until(drained, HEALED_S, f"lag gone after broker {node.node} was back")
        self.drained_s.append(round(time.monotonic() - began, 1))

    def look(self) -> None:
        """Note workers that died, and replace them as a supervisor would."""
        for machine in self.machines:
            self.faults += machine.died()

    # what the system comes to

    def wait_ready(self) -> None:
        self._until(self._is_ready, READY_S, "every partition active on one machine")

    def settle(self) -> None:
        """Everything that is in the log is done, and no timer waits."""
        for timer in self._timers:
            timer.join()
        self._until(lambda: self._lag.behind() == 0 and self._holds_nothing(), SETTLED_S, "all done after the load")

    def _is_ready(self) -> bool:
        wanted = list(range(self.settings.partitions))
        return all(sorted(self._active(name)) == wanted for name in self.topologies)

    def _active(self, name: str) -> list[int]:
        tasks = [task for machine in self.machines for task in machine.tasks(name)]
        return [task["partition"] for task in tasks if task["state"] == "active"]

    def _holds_nothing(self) -> bool:
        tasks = [task for machine in self.machines for name in self.topologies for task in machine.tasks(name)]
        return self._is_ready() and not any(task[what] for task in tasks for what in HELD)

    def _until(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        deadline = time.monotonic() + limit_s
        while not self._holds(condition):
            if time.monotonic() > deadline:
                self.faults.append(f"not within {limit_s:.0f} s: {what}")
                return
            self.look()
            time.sleep(0.1)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (KafkaException, SetupError):  # a broker is away
            return False

    # what is wrong in the end

    def wrong(self, sent: list[tuple[str, int]]) -> list[str]:
        views, tally = self.topologies[order_views.NAME], self.topologies[tallies.NAME]
        found = oracle.differences(self.kafka, views, tally, sent)
        for topology in self.topologies.values():
            for table, rows in oracle.tables(self.kafka, topology).items():
                found += self._served(topology, table, rows)
        return found

    def _served(self, topology: Topology, table: str, rows: oracle.Table) -> list[str]:
        """Whether the owners serve, from their disks, exactly the rows that the changelog holds."""
        decode = topology.tables[table].decode
        wanted = Counter(msgspec.json.encode(decode(row)) for row in rows.values())
        served: Counter[bytes] = Counter()
        for machine in self.machines:
            for task in machine.tasks(topology.name):
                answer = machine.get(topology.name, f"/rows/{table}/{task['partition']}")
                served.update(msgspec.json.encode(row) for row in answer.get("rows", ()))
        odd = (wanted - served) + (served - wanted)
        return [f"{topology.name} {table}: changelog and disk differ by {row!r}" for row in odd]

    def stale(self) -> list[str]:
        """Records of a stale owner after its successor's first, in every changelog."""
        found = []
        for topology in self.topologies.values():
            for table in topology.tables:
                for partition in range(self.settings.partitions):
                    place = f"{topology.changelog(table)}-{partition}"
                    written = max(
                        (list(fencing.partition(n.directory / "log" / place)) for n in self.cluster.nodes), key=len
                    )
                    found += [f"stale owner in {place}: {one}" for one in fencing.stale(written)]
        return found
