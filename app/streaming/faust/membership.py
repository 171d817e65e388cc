"""Watches over the membership of a worker: what the group no longer says is said here, never passed over in silence."""

import asyncio
import time

from aiokafka.errors import InvalidSessionTimeoutError

from app.observability.log import logger
from app.observability.metrics import TROUBLES
from app.streaming.errors import MembershipLostError, NameInUseError, SessionRefusedError
from app.streaming.faust import private
from app.streaming.faust.app import App

log = logger(__name__)

LOOK_S = 0.5
AGAIN_S = 10.0


async def watch(app: App) -> None:
    """Until cancelled; raises what the membership cannot go on with."""
    await asyncio.gather(_watch_silence(app), _watch_errors(app), _watch_copies(app), _stay(app))


async def _watch_silence(app: App) -> None:
    heard, lost, told = app.heartbeats, 0, False
    while True:
        await asyncio.sleep(LOOK_S)
        if heard.name_taken:
            raise NameInUseError(
                f"another worker of group {app.worker.topology.group} is called {app.membership.name}, and has taken "
                "the place of this one; give each worker an ORDERFLOW_NAME of its own, or none"
            )
        losses = heard.losses + heard.is_lost(time.monotonic())
        if losses > lost:
            lost, told = losses, True
            _trouble(app, MembershipLostError("the group was silent for longer than it keeps a member; it joins anew"))
        elif told and heard.is_member():
            told = False
            log.info("membership.regained", group=app.worker.topology.group)


async def _watch_errors(app: App) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        over = private.is_membership_over(app)
        error = await private.membership_error(app)
        if error is None:
            continue
        if isinstance(error, InvalidSessionTimeoutError):
            raise SessionRefusedError(
                f"the brokers allow no session of {app.membership.session_timeout_s:g} s; set "
                "ORDERFLOW_SESSION_TIMEOUT between their group.min.session.timeout.ms and group.max.session.timeout.ms"
            ) from error
        lost = MembershipLostError(f"the group does not take this worker: {error}")
        if over:
            raise lost from error
        _trouble(app, lost)
        await asyncio.sleep(AGAIN_S)


async def _stay(app: App) -> None:
    """A worker keeps its place, and may take it again, whether or not records are taken: streams stand still while it
    has none. One whose loop is stuck is ended by its `Watchdog`."""
    while True:
        await asyncio.sleep(LOOK_S)
        private.touch_poll(app)


async def _watch_copies(app: App) -> None:
    """Tasks that are to move here have waited at their owner for a warm copy."""
    while True:
        await asyncio.sleep(LOOK_S)
        if app.worker.standbys.are_warm():
            log.info("standby.ready", group=app.worker.topology.group)
            private.join_again(app)
            await asyncio.sleep(AGAIN_S)


def _trouble(app: App, error: MembershipLostError) -> None:
    group = app.worker.topology.group
    TROUBLES.labels(group, type(error).__name__).inc()
    log.error("membership.lost", group=group, worker=app.membership.name, why=f"{type(error).__name__}: {error}")
