"""What a worker counts of its tasks: a failure and what waits behind it, a dead letter, a timer, a new owner."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from app.observability import metrics
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import Log
from tests.engine.topologies import Tick
from tests.waiting import until

RETRY_MS = 15_000  # time enough to see what waits
LATER_MS = 600_000
# of copies, of what stands still, and of letters as the API knows them: their own tests look at them
ELSEWHERE = {
    "orderflow_open_dead_letters",
    "orderflow_oldest_dead_letter_timestamp_seconds",
    "orderflow_outages",
    "orderflow_standby_lag_records",
    "orderflow_troubles",
}


def told(worker: WorkerProcess) -> dict[str, Metric]:
    """What its /metrics shows, by the name it has in `metrics`."""
    families = text_string_to_metric_families(worker.answer("/metrics"))
    return {family.name: family for family in families if family.name.startswith("orderflow_")}


def total(family: Metric, **labels: str) -> float:
    """The sum over all labels but these."""
    name = family.name + ("_total" if family.type == "counter" else "_count" if family.type == "histogram" else "")
    return sum(one.value for one in family.samples if one.name == name and labels.items() <= one.labels.items())


def waiting(shown: dict[str, Metric]) -> list[float]:
    """The failed record, the one behind it, and their key."""
    return [
        total(shown["orderflow_retry_records"], delay_ms=str(RETRY_MS)),
        total(shown["orderflow_parked_records"]),
        total(shown["orderflow_blocked_keys"], waits="retry"),
    ]


def of_tasks() -> list[str]:
    """The metrics whose labels name a group."""
    found = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    return [next(iter(metric.describe())).name for metric in found if "group" in metric._labelnames]


def test_every_metric_of_tasks_tells_what_happened(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> None:
    sent = [
        Tick(key="key-1", number=1, fails=1),
        Tick(key="key-1", number=2),
        Tick(key="key-2", number=1, permanent=True),
        Tick(key="key-3", number=1, timer_ms=LATER_MS),
    ]
    with Cluster(Log(kafka), tmp_path, "acting", unique("metrics"), delays_ms=(RETRY_MS,)) as cluster:
        first = cluster.start("a")
        cluster.ready(first)
        cluster.log.send(cluster.source, sent)
        until(lambda: waiting(told(first)) == [1, 1, 1], "the failed one waits, and what is behind it")
        cluster.quiet()
        shown = told(first)
        assert total(shown["orderflow_blocked_keys"], waits="operator") == 1
        assert total(shown["orderflow_retry_lateness_seconds"]) == 1
        assert total(shown["orderflow_task_records"], topic=cluster.source) == len(sent)
        assert total(shown["orderflow_records_retried"], delay_ms=str(RETRY_MS)) == 1
        assert total(shown["orderflow_dead_letters"], reason="non-retryable") == 1
        assert total(shown["orderflow_gateway_calls"], call="Asked", outcome="answered") == 3
        assert total(shown["orderflow_gateway_calls"], call="Asked", outcome="failed") == 2
        assert total(shown["orderflow_gateway_call_seconds"], call="Asked") == 5
        assert total(shown["orderflow_task_resets"], cause="assigned") == 4
        committed = total(shown["orderflow_checkpoints"], outcome="committed")
        assert committed == total(shown["orderflow_checkpoint_seconds"]) > 0
        gauges = ("parked_records", "retry_records", "task_held", "task_lag_records", "timers_pending")
        assert [total(shown[f"orderflow_{name}"]) for name in gauges] == [0, 0, 0, 0, 1]
        first.kill()
        second = cluster.start("b")
        cluster.ready(second)
        before, shown = shown, told(second)
        untold = {name for name in of_tasks() if not before[name].samples and not shown[name].samples}
        assert untold <= ELSEWHERE
        assert total(shown["orderflow_restored_records"]) > 0
        assert [sample.value for sample in shown["orderflow_restore_left_records"].samples] == [0] * 4
        assert total(shown["orderflow_timers_pending"]) == 1
