"""Tables as Faust sees them: declared, so that changelogs are assigned with the sources; their rows are the tasks'."""

from typing import Any

from faust.stores.base import SerializedStore
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from mode import Service


def _not_here(*_: Any, **__: Any) -> Any:
    raise TypeError("rows are read through the worker's reader and written by processors, not through Faust's tables")


class Store(SerializedStore):
    """The `orderflow://` store: a declaration without rows."""

    _get = _set = _del = _clear = _contains = _iteritems = _iterkeys = _itervalues = _size = _not_here
    backup_partition = restore_backup = _not_here

    async def on_rebalance(self, *_: Any, **__: Any) -> None:
        """Tasks restore themselves, outside the rebalance."""

    def persisted_offset(self, tp: Any) -> None:
        return None

    def set_persisted_offset(self, tp: Any, offset: int) -> None:
        """Positions are in the tasks' stores."""

    def reset_state(self) -> None:
        """Tasks reset themselves."""


class NoRecovery(Recovery):
    """Faust's recovery reduced to 'let the streams flow': it reads no changelog and waits for nothing."""

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        self._generation_id = generation_id
        self.signal_recovery_start.set()

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Nothing is being recovered."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            await self._resume_streams(self._generation_id)

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Changelogs are read by the tasks' restores."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Progress is the tasks' own."""


class Manager(TableManager):
    """Tells the worker of each assignment."""

    _no_recovery: NoRecovery | None = None

    @property
    def recovery(self) -> Recovery:
        if self._no_recovery is None:
            self._no_recovery = NoRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._no_recovery

    async def on_start(self) -> None:
        """Begin at once: Faust gives tables that are declared late a second, and ours are declared with the app."""
        await self._update_channels()
        await self.recovery.start()

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        topics_by_partition: dict[int, set[str]] = {}
        inputs = set(self.app.worker.topology.input_topics)
        for tp in assigned:
            if tp.topic in inputs:
                topics_by_partition.setdefault(tp.partition, set()).add(tp.topic)
        self.app.worker.assigned(topics_by_partition, self.app.assignor.place, generation_id)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
