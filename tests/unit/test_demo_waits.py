"""The demo waits for a process for as long as that restores, and shows how far it is."""

from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from app.cli.demoing import children
from app.cli.demoing.children import Child
from app.config import Settings
from app.embedded.ports import LOOPBACK, free_ports
from app.errors import SetupError

pytestmark = pytest.mark.anyio


class Restoring:
    """A worker that has restored one record more each time that it is asked, which takes a tenth of a start by its own
    clock; it is ready after `records` of them."""

    def __init__(self, records: int, stands_at: int) -> None:
        self._records, self._stands_at, self.restored, self._now = records, stands_at, 0, 0.0

    def monotonic(self) -> float:
        return self._now

    async def ready(self, _: web.Request) -> web.Response:
        self._now += children.READY_S / 10
        self.restored = min(self.restored + 1, self._stands_at)
        if self.restored >= self._records:
            return web.json_response({"status": "ready"})
        return web.json_response({"detail": f"{self.restored} records restored"}, status=503)

    async def tasks(self, _: web.Request) -> web.Response:
        return web.json_response({"tasks": [{"restored": self.restored}]})


Make = Callable[[int, int], Restoring]


@pytest.fixture
def restoring(monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(records: int, stands_at: int) -> Restoring:
        worker = Restoring(records, stands_at)
        monkeypatch.setattr(children, "time", worker)
        return worker

    monkeypatch.setattr(children, "TELL_EVERY_S", 0.0)
    return made


async def waited(worker: Restoring, tmp_path: Path) -> list[str]:
    """What is said until it is ready."""
    said: list[str] = []
    app, port = web.Application(), free_ports(0)[0]
    app.router.add_get("/readyz", worker.ready)
    app.router.add_get("/tasks", worker.tasks)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    child = Child("payments-1", [], Settings(host=LOOPBACK, port=port), tmp_path / "log")
    (tmp_path / "log").touch()
    try:
        async with aiohttp.ClientSession() as client:
            await children.until_ready(client, child, said.append)
    finally:
        await runner.cleanup()
    return said


async def test_a_restore_may_take_longer_than_a_start(restoring: Make, tmp_path: Path) -> None:
    said = await waited(restoring(12, 12), tmp_path)
    assert said[:2] == ["payments-1: 1 records restored", "payments-1: 2 records restored"]


async def test_one_that_does_not_get_on_is_waited_for_no_longer_than_a_start(restoring: Make, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="payments-1 is not ready after"):
        await waited(restoring(12, 3), tmp_path)
