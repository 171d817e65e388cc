"""Holds a system at rest against its log: tables, what is served from the disks, and who wrote the changelogs."""

from collections import Counter

import msgspec

from app.streaming.topology import Topology
from tests.chaos.seeded import fencing, oracle, tallies
from tests.chaos.seeded.system import System
from topologies import order_views


def wrong(system: System, sent: list[tuple[str, int]]) -> list[str]:
    """Rows, outputs and events that are not as the log and the acknowledgements say."""
    views, tally = system.topologies[order_views.NAME], system.topologies[tallies.NAME]
    found = oracle.differences(system.kafka, views, tally, sent)
    for topology in system.topologies.values():
        for table, rows in oracle.tables(system.kafka, topology).items():
            found += _served(system, topology, table, rows)
    return found


def _served(system: System, topology: Topology, table: str, rows: oracle.Table) -> list[str]:
    """Whether the owners serve, from their disks, exactly the rows that the changelog holds."""
    decode = topology.tables[table].decode
    wanted = Counter(msgspec.json.encode(decode(row)) for row in rows.values())
    served: Counter[bytes] = Counter()
    for machine in system.machines:
        for task in machine.tasks(topology.name):
            answer = machine.get(topology.name, f"/rows/{table}/{task['partition']}")
            served.update(msgspec.json.encode(row) for row in answer.get("rows", ()))
    odd = (wanted - served) + (served - wanted)
    return [f"{topology.name} {table}: changelog and disk differ by {row!r}" for row in odd]


def stale(system: System) -> list[str]:
    """Records of a stale owner after its successor's first, in every changelog."""
    found = []
    for topology in system.topologies.values():
        for table in topology.tables:
            for partition in range(system.settings.partitions):
                place = f"{topology.changelog(table)}-{partition}"
                replicas = [list(fencing.partition(node.directory / "log" / place)) for node in system.cluster.nodes]
                longest = sorted(replicas, key=len)[-1]
                found += [f"stale owner in {place}: {one}" for one in fencing.stale(longest)]
    return found
