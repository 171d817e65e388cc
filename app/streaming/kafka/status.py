"""What a worker says of its tasks: for people, for `orderflow verify`, and for a load balancer."""

from collections.abc import Callable
from typing import get_args

from app.observability.metrics import (
    BLOCKED,
    HELD,
    PARKED,
    READY,
    RESTORE_LEFT,
    RESTORE_LEFT_SECONDS,
    RESTORE_RATE,
    RETRY_DEPTH,
    STANDBY_LAG,
    TASK_LAG,
    TIMERS,
)
from app.streaming.kafka.owned import OwnedTask
from app.streaming.kafka.worker import Worker
from app.streaming.runner import Held

GAUGES = (
    TASK_LAG, RESTORE_LEFT, RESTORE_RATE, RESTORE_LEFT_SECONDS, STANDBY_LAG, TIMERS, PARKED, BLOCKED, RETRY_DEPTH, HELD
)  # fmt: skip


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
        for gauge in GAUGES:
            gauge.clear()
        READY.labels(self._worker.topology.group).set(self.unready() is None)
        for owned in self._worker.owned.values():
            task, place = owned.task, (owned.task.topology.group, owned.task.partition)
            TASK_LAG.labels(*place).set(self._lag(owned))
            self._measure_restore(owned, place)
            TIMERS.labels(*place).set(0 if task.timers is None else len(task.timers))
            self._measure_failures(owned, place)
        for partition, standby in self._worker.standbys.kept.items():
            STANDBY_LAG.labels(self._worker.topology.group, partition).set(standby.lag)

    def _measure_failures(self, owned: OwnedTask, place: tuple[str, int]) -> None:
        task, hold = owned.task, owned.task.runner.hold()
        PARKED.labels(*place).set(sum(task.parking.counts()))
        dead = task.parking.dead_keys()
        BLOCKED.labels(*place, "operator").set(dead)
        BLOCKED.labels(*place, "retry").set(len(task.parking.blocked) - dead)
        for topic, delay_ms in task.topology.retry_topics.items():
            unread = self._behind(owned, topic, task.taken.get(topic, 0))
            RETRY_DEPTH.labels(*place, delay_ms).set(len(task.delayed[topic]) + unread)
        for state in get_args(Held):
            HELD.labels(*place, state).set(hold is not None and hold.state == state)

    def _measure_restore(self, owned: OwnedTask, place: tuple[str, int]) -> None:
        progress, restores = owned.progress, owned.task.status != "active"
        left_s = progress.left_s() if restores else 0.0
        RESTORE_LEFT.labels(*place).set(progress.remaining)
        RESTORE_RATE.labels(*place).set(progress.rate() if restores else 0.0)
        RESTORE_LEFT_SECONDS.labels(*place).set(float("nan") if left_s is None else left_s)

    def held(self) -> list[str]:
        """Tasks that serve their rows and begin nothing new, and why."""
        tasks = [one.task for one in self._worker.owned.values()]
        return [f"{task}: {hold.state}, {hold.why}" for task in tasks if (hold := task.runner.hold()) is not None]

    def unready(self) -> str | None:
        if not self._is_member():
            return "the group has not acknowledged this worker lately; wait, or look at its connection to Kafka"
        reasons = [(one.task, one.unready()) for one in self._worker.owned.values()]
        return "; ".join([f"{task} {reason}" for task, reason in reasons if reason]) or None

    def _task(self, owned: OwnedTask) -> dict[str, object]:
        task, hold = owned.task, owned.task.runner.hold()
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
            "dead": task.parking.dead_keys(),
            "brake": "open" if hold is None else hold.state,
            "held": None if hold is None else hold.why,
            "delayed": sum(len(delayed) for delayed in task.delayed.values()),
            "in_flight": task.runner.in_flight() + task.runner.backlog(),
            "dirty": task.state.has_effects(),
            **owned.progress.told(),
            "trouble": None if owned.trouble is None else f"{type(owned.trouble).__name__}: {owned.trouble}",
        }

    def _lag(self, owned: OwnedTask) -> int:
        durable = owned.task.state.durable
        return sum(self._behind(owned, topic, durable.get(topic, 0)) for topic in owned.task.topology.input_topics)

    def _behind(self, owned: OwnedTask, topic: str, position: int) -> int:
        """Records of a topic from this position on, as far as its end is known."""
        return max(0, self._worker.ends(owned.task.partition).get(topic, position) - position)
