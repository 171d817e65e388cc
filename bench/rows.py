"""Who takes part: every row of the table, how its process is started and with which settings."""

import sys
from typing import Any

import msgspec

from app.errors import SetupError
from bench.environments import python_of
from bench.peers import jvm


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`program`: a module of `bench.peers`, or a program of `bench.peers.jvm`. `at_most`: the events of a slow one."""

    name: str
    title: str
    program: str
    at_most: int = 10**9
    interval_ms: int = 1000
    exactly_once: bool = False
    processes: int = 1
    parallelism: int = 1
    environment: dict[str, str] = {}


SOON: dict[str, Any] = {"interval_ms": 100, "exactly_once": True}
FASTAVRO = {"ORDERFLOW_DECODER": "fastavro", "ORDERFLOW_CLIENT": "plain"}
HEAP = {"JDK_JAVA_OPTIONS": "-Xmx1g"}
LARGE_HEAP = {"JDK_JAVA_OPTIONS": "-Xmx3g"}  # with 1 GiB, Kafka Streams' cache of many keys leaves it nothing but GC

CATCH_UP = (
    Row(name="orderflow", title="orderflow", program="orderflow"),
    Row(name="kafka_streams", title="Kafka Streams, at least once", program="kafka_streams", environment=HEAP),
    Row(name="orderflow_two_workers", title="orderflow, two workers", program="orderflow", processes=2),
    Row(name="flink", title="Flink, parallelism 2", program="flink", parallelism=2, environment=HEAP),
    Row(name="orderflow_100ms", title="orderflow, every 100 ms", program="orderflow", **SOON),
    Row(
        name="kafka_streams_exactly_once",
        title="Kafka Streams, exactly once, every 100 ms",
        program="kafka_streams",
        environment=HEAP,
        **SOON,
    ),
    Row(name="orderflow_fastavro", title="orderflow on fastavro", program="orderflow", environment=FASTAVRO),
    Row(name="bytewax", title="Bytewax, two processes", program="bytewax", processes=2),
    Row(name="pathway", title="Pathway", program="pathway"),
    Row(name="quix", title="Quix Streams", program="quix", at_most=400_000),
    Row(name="stock_faust", title="stock Faust, tuned", program="stock_faust", at_most=40_000),
)
MANY_KEYS = (
    Row(name="orderflow_many_keys", title="orderflow, many keys", program="orderflow"),
    Row(
        name="kafka_streams_many_keys",
        title="Kafka Streams, many keys",
        program="kafka_streams",
        environment=LARGE_HEAP,
    ),
)
LATENCY = (
    Row(name="orderflow_latency", title="orderflow", program="orderflow", **SOON),
    Row(
        name="kafka_streams_latency",
        title="Kafka Streams, exactly once",
        program="kafka_streams",
        environment=HEAP,
        **SOON,
    ),
)
CONSUME = Row(name="consume", title="a bare consumer of the changelog", program="librdkafka")
RESTORE = Row(name="restore", title="orderflow, restoring", program="restore")

OURS = {"orderflow", "restore", "librdkafka"}
JVM = {"kafka_streams", "flink"}


class Programs:
    """The command lines of the programs, each made ready once; those that cannot be are `left_out`, in words."""

    def __init__(self, wanted: set[str]) -> None:
        self._commands: dict[str, list[str]] = {}
        self.left_out: dict[str, str] = {}
        for name in sorted(wanted - JVM):
            try:
                python = sys.executable if name in OURS else python_of(name)
                self._commands[name] = [python, "-m", f"bench.peers.{name}"]
            except SetupError as error:
                self.left_out[name] = str(error)
        if wanted & JVM:
            self._add_jvm(wanted & JVM)

    def _add_jvm(self, wanted: set[str]) -> None:
        why = "it could not be built"
        found: dict[str, list[str]] = {}
        try:
            found = jvm.commands()
        except SetupError as error:
            why = str(error)
        self._commands |= {name: found[name] for name in wanted & found.keys()}
        self.left_out |= dict.fromkeys(sorted(wanted - found.keys()), why)

    def __getitem__(self, name: str) -> list[str]:
        return self._commands[name]

    def __contains__(self, name: str) -> bool:
        return name in self._commands
