"""Which process runs which tests, when several do.

Most tests wait for servers most of the time. Those that need none are what the last process does meanwhile, with the
time that the others leave; these help with them once theirs are done.
"""

import os
from collections.abc import Mapping

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# a whole system for the folder, a dozen processes: they take longest, so they come first, and one at a time
SYSTEMS = ("tests/docs/", "tests/e2e/")
# servers of its own for the folder
SHARING = "tests/cdc/"
NO_SERVERS = ("tests/schema/", "tests/simulation/", "tests/topology/", "tests/unit/")
ONE_BY_ONE = "tests/simulation/"
FEW = 2
ALONE = {"workercount": 1}
NICE = 10


class TogetherByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types for it
    """The tests of a file stay together, and so do those that share servers; a simulation goes where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ONE_BY_ONE):
            return nodeid
        if nodeid.startswith(SYSTEMS):
            return "whole systems"
        return SHARING if nodeid.startswith(SHARING) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if fills_in(node.workerinput) and (scope := self._last_without_servers()):
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if not fills_in(node.workerinput) or self._last_without_servers():
            super()._reschedule(node)
        elif not node.shutting_down:
            node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        """What a crashed process has done is not queued again: xdist would wait for tests of it that nobody runs."""
        units = self.assigned_work[node].items()
        self.assigned_work[node] = {scope: unit for scope, unit in units if not all(unit.values())}
        crashed: str | None = super().remove_node(node)
        return crashed

    def _last_without_servers(self) -> str | None:
        return next((scope for scope in reversed(self.workqueue) if scope.startswith(NO_SERVERS)), None)


def fills_in(worker: Mapping[str, object]) -> bool:
    """Whether it is the process that takes tests from the end: the last of more than two."""
    count = worker["workercount"]
    return isinstance(count, int) and count > FEW and worker["workerid"] == f"gw{count - 1}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(SYSTEMS))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherByFile:
    return TogetherByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    if fills_in(getattr(config, "workerinput", ALONE)):
        os.nice(NICE)
