"""`orderflow status` beside workers: one line a task, and an exit code that says whether all is well."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner

from app.cli.status import cli
from tests.engine.cluster import Cluster, WorkerProcess
from tests.engine.log import PARTITIONS, Log
from tests.engine.topologies import Tick
from tests.waiting import until


def asked(worker: WorkerProcess) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what is told."""
    done = CliRunner().invoke(cli, [f"http://127.0.0.1:{worker.order.port}", "--json"])
    return done.exit_code, msgspec.json.decode(done.stdout)


def count(worker: WorkerProcess, what: str) -> int:
    return sum(task[what] for task in asked(worker)[1])


def test_every_task_is_told_with_what_waits_in_it(kafka: str, tmp_path: Path, unique: Callable[[str], str]) -> None:
    with Cluster(Log(kafka), tmp_path, "acting", unique("status"), delays_ms=(600_000,)) as cluster:
        worker = cluster.start("a")
        cluster.ready(worker)
        code, tasks = asked(worker)
        assert code == 0
        assert [(task["partition"], task["state"], task["brake"]) for task in tasks] == [
            (number, "active", "open") for number in range(PARTITIONS)
        ]
        cluster.log.send(cluster.source, [Tick(key="key-1", number=1, permanent=True), Tick(key="key-1", number=2)])
        until(lambda: count(worker, "parked_behind_dead") == 1, "a record is parked")
        assert count(worker, "dead") == 1
        assert asked(worker)[0] == 1
        shown = CliRunner().invoke(cli, [f"http://127.0.0.1:{worker.order.port}"]).stdout.splitlines()
        assert len(shown) == PARTITIONS
        assert sum("parked 1  dead 1  brake open" in line for line in shown) == 1


def test_a_worker_that_is_away_and_tasks_that_nobody_runs_are_told(kafka: str) -> None:
    nobody = {"ORDERFLOW_KAFKA": kafka, "ORDERFLOW_PARTITIONS": "1"}
    done = CliRunner().invoke(cli, [], env=nobody)
    assert done.exit_code == 1
    names = (
        "alerts",
        "fulfilment",
        "inventory",
        "orchestration",
        "order-views",
        "payments",
        "reconciliation",
        "shipping",
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == [f"{name}[0]" for name in names]
    assert done.stdout.count("nobody runs it") == len(names)
    away = CliRunner().invoke(cli, ["http://127.0.0.1:1"])
    assert "http://127.0.0.1:1 does not tell: ClientConnectorError" in away.stderr
    assert away.exit_code == 1
