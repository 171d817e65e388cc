"""What a worker says of its tasks: for people, for `orderflow verify`, and for a load balancer."""

from collections.abc import Callable

from app.observability.metrics import (
    PARKED,
    READY,
    RESTORE_LEFT,
    RESTORE_LEFT_SECONDS,
    RESTORE_RATE,
    STANDBY_LAG,
    TASK_LAG,
    TIMERS,
)
from app.streaming.kafka.owned import OwnedTask
from app.streaming.kafka.worker import Worker


class WorkerStatus:
    def __init__(self, name: str, worker: Worker, is_member: Callable[[], bool]) -> None:
        self._name, self._worker, self._is_member = name, worker, is_member

    def tasks(self) -> dict[str, object]:
        """Each task: positions that are committed, records behind them, and what is held."""
        owned = self._worker.owned.values()
        return {
            "topology": self._worker.topology.name,
            "worker": self._name,
            "tasks": [self._task(one) for one in sorted(owned, key=lambda one: one.task.partition)],
            "standbys": [one.told() for _, one in sorted(self._worker.standbys.kept.items())],
        }

    def measure(self) -> None:
        """Sets the gauges of the tasks that are owned now; those of others are not this worker's to tell."""
        for gauge in (TASK_LAG, RESTORE_LEFT, RESTORE_RATE, RESTORE_LEFT_SECONDS, STANDBY_LAG, TIMERS, PARKED):
            gauge.clear()
        READY.labels(self._worker.topology.group).set(self.unready() is None)
        for owned in self._worker.owned.values():
            task, place = owned.task, (owned.task.topology.group, owned.task.partition)
            TASK_LAG.labels(*place).set(self._lag(owned))
            self._measure_restore(owned, place)
            TIMERS.labels(*place).set(0 if task.timers is None else len(task.timers))
            PARKED.labels(*place).set(sum(task.parking.counts()))

        for partition, standby in self._worker.standbys.kept.items():
            STANDBY_LAG.labels(self._worker.topology.group, partition).set(standby.lag)

    def _measure_restore(self, owned: OwnedTask, place: tuple[str, int]) -> None:
        progress, restores = owned.progress, owned.task.status != "active"
        left_s = progress.left_s() if restores else 0.0
        RESTORE_LEFT.labels(*place).set(progress.remaining)
        RESTORE_RATE.labels(*place).set(progress.rate() if restores else 0.0)
        RESTORE_LEFT_SECONDS.labels(*place).set(float("nan") if left_s is None else left_s)

    def unready(self) -> str | None:
        if not self._is_member():
            return "the group has not acknowledged this worker lately; wait, or look at its connection to Kafka"
        reasons = [(one.task, one.unready()) for one in self._worker.owned.values()]
        return "; ".join([f"{task} {reason}" for task, reason in reasons if reason]) or None

    def _task(self, owned: OwnedTask) -> dict[str, object]:
        task = owned.task
        waiting, behind_dead = task.parking.counts()
        return {
            "partition": task.partition,
            "state": task.status,
            "positions": task.state.durable,
            "lag": self._lag(owned),
            "timers": len(task.timers) if task.timers is not None else 0,
            "parked": waiting,
            "parked_behind_dead": behind_dead,
            "blocked": len(task.parking.blocked),
            "delayed": sum(len(delayed) for delayed in task.delayed.values()),
            "in_flight": task.runner.in_flight() + task.runner.backlog(),
            "dirty": task.state.has_effects(),
            **owned.progress.told(),
            "trouble": None if owned.trouble is None else f"{type(owned.trouble).__name__}: {owned.trouble}",
        }

    def _lag(self, owned: OwnedTask) -> int:
        ends, durable = self._worker.fetcher.ends(owned.task.partition), owned.task.state.durable
        return sum(max(0, end - durable.get(topic, 0)) for topic, end in ends.items())
