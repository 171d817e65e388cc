"""Builds the Faust app of a topology."""

import asyncio
from pathlib import Path
from typing import Any

import faust
import msgspec

from app.streaming.assignment import Claim
from app.streaming.faust.assignor import Assignor
from app.streaming.faust.private import Heartbeats
from app.streaming.faust.tables import Manager
from app.streaming.faust.transport import BatchSchema
from app.streaming.kafka.worker import Worker
from app.streaming.topology import Topology

HEARTBEAT_S = 0.5
REQUEST_S = 80.0  # beyond the wait for the other members


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker takes part in its group, and where it keeps its state. `url` is where the other members and the
    gateway reach it; `state_keep_s` how long a store stays that no task uses. A `static` one keeps its place under its
    name while it is away for less than the session's timeout. `standbys`: the copies of each task on other workers."""

    bootstrap: str
    name: str
    url: str
    host: str
    port: int
    partitions: int
    session_timeout_s: float
    directory: Path
    static: bool = False
    standbys: int = 0
    state_memory_mb: int = 512
    state_keep_s: float = 3600.0

    @property
    def rebalance_timeout_s(self) -> float:
        return max(10.0, self.session_timeout_s)


class App(faust.App):
    """A Faust app that knows the worker whose batches it delivers."""

    worker: Worker
    membership: Membership
    heartbeats: Heartbeats

    def claim(self) -> Claim:
        """What the group is told of this worker when it joins."""
        return self.worker.claim(self.membership.url, self.membership.standbys)


def faust_app(topology: Topology, worker: Worker, membership: Membership) -> App:
    """Sources, agents and tables of the topology, declared to Faust; tasks are run by `worker`."""
    membership.directory.mkdir(parents=True, exist_ok=True)
    app = App(
        topology.group,
        broker=f"orderflow://{membership.bootstrap}",
        broker_producer=f"kafka://{membership.bootstrap}",
        broker_client_id=f"{membership.name}@{membership.url.removeprefix('http://')}",
        broker_session_timeout=membership.session_timeout_s,
        # a rebalance is heard of with a heartbeat: this is how long a failover waits for it
        broker_heartbeat_interval=min(HEARTBEAT_S, membership.session_timeout_s / 5),
        broker_rebalance_timeout=membership.rebalance_timeout_s,
        # to join is one request, answered when all members have come or were given up
        broker_request_timeout=membership.rebalance_timeout_s + REQUEST_S,
        broker_max_poll_interval=60.0,
        canonical_url=membership.url,
        consumer_group_instance_id=membership.name if membership.static else None,
        consumer_auto_offset_reset="earliest",
        # a broker that has just started may not name all topics yet: what was assigned without them is mended this soon
        consumer_metadata_max_age_ms=5_000,
        datadir=membership.directory / "faust",
        store="orderflow://",
        stream_buffer_maxsize=64,
        stream_recovery_delay=0,
        stream_wait_empty=False,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=membership.partitions,
        topic_replication_factor=1,
        web_bind=membership.host,
        web_port=membership.port,
        web_host=membership.host,
        web_cors_options=None,
        PartitionAssignor=Assignor,
        TableManager=Manager,
        loop=asyncio.get_running_loop(),
    )
    app.worker, app.membership = worker, membership
    app.heartbeats = Heartbeats(membership.session_timeout_s, membership.rebalance_timeout_s)
    source: Any = app.topic(*topology.input_topics, schema=BatchSchema(), partitions=membership.partitions)
    for agent in topology.agents:
        app.agent(source, name=f"{topology.name}.{agent.__name__}")(agent)
    for table in topology.tables:
        app.Table(table, key_type=bytes, partitions=membership.partitions)
    return app
