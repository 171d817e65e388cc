"""What runs amount to: medians over the rounds, and the ratios of orderflow to each peer."""

import statistics
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeAlias

from bench.latency import Latency
from bench.running import Run

Of: TypeAlias = Callable[[Any], float]

RATE: Of = attrgetter("rate")
SECOND_HALF: Of = attrgetter("second_half_rate")
CPU: Of = attrgetter("cpu_s_per_million")
RSS: Of = attrgetter("peak_rss_mib")
P99: Of = attrgetter("p99_ms")

# ratio -> (row of orderflow, what of it), (row of the peer, what of it)
RATIOS: dict[str, tuple[tuple[str, Of], tuple[str, Of]]] = {
    "kafka_streams": (("orderflow", RATE), ("kafka_streams", RATE)),
    "kafka_streams_steady": (("orderflow", RATE), ("kafka_streams", SECOND_HALF)),
    "kafka_streams_exactly_once": (("orderflow_100ms", RATE), ("kafka_streams_exactly_once", RATE)),
    "kafka_streams_cpu": (("orderflow", CPU), ("kafka_streams", CPU)),
    "kafka_streams_rss": (("orderflow", RSS), ("kafka_streams", RSS)),
    "kafka_streams_many_keys": (("orderflow_many_keys", RATE), ("kafka_streams_many_keys", RATE)),
    "kafka_streams_p99": (("orderflow_latency", P99), ("kafka_streams_latency", P99)),
    "flink": (("orderflow", RATE), ("flink", RATE)),
    "flink_steady": (("orderflow_two_workers", RATE), ("flink", SECOND_HALF)),
    "flink_cpu": (("orderflow", CPU), ("flink", CPU)),
    "bytewax": (("orderflow", RATE), ("bytewax", RATE)),
    "pathway": (("orderflow", RATE), ("pathway", RATE)),
    "quix": (("orderflow", RATE), ("quix", RATE)),
    "stock_faust": (("orderflow", RATE), ("stock_faust", RATE)),
    "stock_faust_without_compiler": (("orderflow_fastavro", RATE), ("stock_faust", RATE)),
    "restore": (("restore", RATE), ("consume", RATE)),
}

# ratio -> what is wanted of it
BARS = {
    "kafka_streams": ">= 2.0",
    "kafka_streams_steady": ">= 1.5",
    "kafka_streams_exactly_once": ">= 2.0",
    "kafka_streams_cpu": "<= 0.4",
    "kafka_streams_rss": "<= 0.35",
    "kafka_streams_many_keys": ">= 2.0",
    "kafka_streams_p99": "<= 1.0",
    "flink": ">= 1.4",
    "flink_steady": ">= 1.2",
    "flink_cpu": "<= 0.4",
    "bytewax": ">= 3",
    "pathway": ">= 3",
    "quix": ">= 5",
    "stock_faust": ">= 70",
    "stock_faust_without_compiler": ">= 35",
    "restore": ">= 0.3",
}


def median(runs: Iterable[Run | Latency], row: str, of: Of) -> float | None:
    """Over the rounds of a row; None when it never ran."""
    found = [of(run) for run in runs if run.row == row]
    return statistics.median(found) if found else None


def ratios(runs: list[Run | Latency]) -> dict[str, float]:
    """orderflow / peer, of the medians; without those of a peer that was left out."""
    found = {}
    for name, ((ours, of_ours), (theirs, of_theirs)) in RATIOS.items():
        us, them = median(runs, ours, of_ours), median(runs, theirs, of_theirs)
        if us is not None and them:
            found[name] = round(us / them, 3)
    return found
