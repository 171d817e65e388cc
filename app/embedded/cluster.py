"""Kafka brokers that are one cluster on loopback, each a controller too: of three, any one may be lost."""

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from app.embedded.files import write_secret
from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.errors import SetupError

REQUEST_S = 10.0
METADATA = "__cluster_metadata-0"


class KafkaNode(KafkaServer):
    """One broker of a cluster, stopped, killed and started again on its own."""

    def __init__(self, directory: Path, node: int, cluster: "KafkaCluster") -> None:
        super().__init__(directory, node)
        self._cluster = cluster

    @property
    def voter(self) -> str:
        return f"{self.node}@{self.controller}"

    def elected(self) -> tuple[int, int]:
        """(epoch, leader) of the newest election of a controller that this node knows of; -1: nobody."""
        state: dict[str, Any] = json.loads((self.directory / "log" / METADATA / "quorum-state").read_bytes())
        return state["leaderEpoch"], state["leaderId"]

    def _choose_ports(self) -> None:
        """The cluster has chosen: every node knows those of all."""

    def _end_former_life(self) -> None:
        """The other controllers end its former session."""

    def _own_settings(self) -> dict[str, str | int]:
        return {"node.id": self.node} | self._cluster.settings()

    def _cluster_id(self) -> str:
        return self._cluster.id


class KafkaCluster:
    """`size` brokers; topics are to have `replication` replicas, and a write is acknowledged by `in_sync` of them."""

    def __init__(self, directory: Path, size: int = 3) -> None:
        self.id = "O" + secrets.token_urlsafe(16)[1:]
        self.replication, self.in_sync = min(size, 3), min(size, 2)
        ports = free_ports(*[0] * (2 * size))
        for node in range(1, size + 1):
            place = directory / f"broker-{node}"
            place.mkdir(mode=0o700, parents=True)
            write_secret(place / "ports.json", json.dumps([ports.pop(), ports.pop()]).encode())
        self.nodes = [KafkaNode(directory / f"broker-{node}", node, self) for node in range(1, size + 1)]

    @property
    def bootstrap(self) -> str:
        """Where clients connect: any of the brokers."""
        return ",".join(node.bootstrap for node in self.nodes)

    def settings(self) -> dict[str, str | int]:
        """What every broker of the cluster must be told alike."""
        return {
            "controller.quorum.voters": ",".join(node.voter for node in self.nodes),
            "default.replication.factor": self.replication,
            "min.insync.replicas": self.in_sync,
            "offsets.topic.replication.factor": self.replication,
            "transaction.state.log.replication.factor": self.replication,
            "transaction.state.log.min.isr": self.in_sync,
            "share.coordinator.state.topic.replication.factor": self.replication,
            "share.coordinator.state.topic.min.isr": self.in_sync,
        }

    def start(self) -> None:
        """Return when all of them serve: one alone has no majority and waits."""
        self._all(lambda node: node.start())

    def stop(self) -> None:
        self._all(lambda node: node.stop())

    def _all(self, act: Callable[[KafkaNode], None]) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            for done in [pool.submit(act, node) for node in self.nodes]:
                done.result()

    def controller(self) -> KafkaNode:
        """The node that is the active controller now."""
        _, leader = max(node.elected() for node in self.nodes if node.alive())
        return self._node(leader)

    def leader(self, topic: str, partition: int) -> KafkaNode:
        """The node that leads a partition now."""
        return self._node(self._topics()[topic].partitions[partition].leader)

    def is_whole(self) -> bool:
        """Whether every replica of every partition is in sync."""
        parts = [part for topic in self._topics().values() for part in topic.partitions.values()]
        return all(len(part.isrs) == len(part.replicas) for part in parts)

    def _topics(self) -> Any:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return admin.list_topics(timeout=REQUEST_S).topics

    def _node(self, number: int) -> KafkaNode:
        for node in self.nodes:
            if node.node == number:
                return node
        raise SetupError(f"nobody leads there at the moment ({number}); ask again")
