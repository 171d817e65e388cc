"""Every private name of Faust and aiokafka that the engine touches, each with its reason.

A test looks each of them up, so that an upgrade that moves one is red before it is deployed.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from app.streaming.faust.heartbeat import FENCED_INSTANCE_ID, NamedHeartbeat

# Methods of Faust that a subclass of ours replaces though they are private, by their class.
REPLACED = {
    # Faust's loop between its consumer and its agents: ours takes batches from librdkafka
    "faust.transport.consumer:Consumer": ("_drain_messages",),
    # its recovery from changelogs: tasks restore themselves
    "faust.tables.recovery:Recovery": ("_restart_recovery", "_slurp_changelogs", "_publish_stats"),
    # rows by key and partition: they are the tasks', and these must not be asked for
    "faust.stores.base:SerializedStore": (
        "_get",
        "_set",
        "_del",
        "_clear",
        "_contains",
        "_iteritems",
        "_iterkeys",
        "_itervalues",
        "_size",
    ),
}
# And those that it calls.
CALLED = {
    # letting the streams flow is all that is left of the recovery
    "faust.tables.recovery:Recovery": ("_resume_streams",),
    # tables are declared to the consumer as soon as it has started
    "faust.tables.manager:TableManager": ("_update_channels",),
}


def is_joined(thread: Any) -> bool:
    """Whether the membership client runs already: `ConsumerThread._consumer` is set before it starts, and has its
    `_coordinator` once it knows the brokers."""
    return thread._consumer is not None and thread._consumer._coordinator is not None


def pause_fetch(thread: Any, partitions: Any) -> None:
    """Keep aiokafka from fetching what librdkafka fetches. It must happen in the rebalance callback, before its
    fetcher starts, and Faust's own pause only filters what is taken: hence aiokafka's consumer itself."""
    thread._consumer.pause(*partitions)


def touch_poll(app: Any) -> None:
    """Tell aiokafka that records are being taken: after `max_poll_interval` without it leaves the group and does not
    join it either, and only its own fetches, which are paused, count (`SubscriptionState.fetch_context`)."""
    thread = app.consumer._thread
    if is_joined(thread):
        with thread._consumer._subscription.fetch_context():
            pass


class Heartbeats:
    """When the group last acknowledged this member: `GroupCoordinator._do_heartbeat` is wrapped, since aiokafka keeps
    that time in a local variable. Times are `time.monotonic()` seconds; written from the membership's thread.

    `losses` counts the silences that were longer than the group keeps a member. `name_taken`: another member has this
    one's name.
    """

    def __init__(self, session_timeout_s: float, rebalance_timeout_s: float) -> None:
        self._session_timeout_s, self._rebalance_timeout_s = session_timeout_s, rebalance_timeout_s
        self.acknowledged_at = float("-inf")
        self._heard_at: float | None = None
        self._between_generations = True
        self.losses = 0
        self.name_taken = False

    def leaving(self) -> None:
        """A rebalance began: what this member owns is decided anew."""
        self._hear(time.monotonic(), between_generations=True)

    def joined(self, thread: Any) -> None:
        """An assignment was received: acknowledged now, and from here on by heartbeats."""
        self.acknowledged_at = time.monotonic()
        self._hear(self.acknowledged_at, between_generations=False)
        coordinator = thread._consumer._coordinator
        if not isinstance(coordinator._do_heartbeat, _Watched):
            coordinator._do_heartbeat = _Watched(coordinator, self)

    def acknowledged(self, at: float) -> None:
        """A heartbeat that was sent then was answered."""
        self._hear(at, between_generations=self._between_generations)
        self.acknowledged_at = at

    def _hear(self, at: float, *, between_generations: bool) -> None:
        self.losses += self.is_lost(at)
        self._heard_at, self._between_generations = at, between_generations

    def is_lost(self, now: float) -> bool:
        """Whether nothing was heard of the group for so long that it has given this member up."""
        limit_s = self._rebalance_timeout_s if self._between_generations else self._session_timeout_s
        return self._heard_at is not None and now - self._heard_at > limit_s

    def is_member(self) -> bool:
        """Whether the group still counts this member in, for all that it has heard."""
        age_s = time.monotonic() - self.acknowledged_at
        return age_s < self._session_timeout_s and not self._between_generations


class _Watched:
    """A heartbeat that is noted. A static member's says its name: aiokafka's does not, so it would not hear that
    another has taken it, and each would throw the other out for ever."""

    def __init__(self, coordinator: Any, seen: Heartbeats) -> None:
        self._coordinator, self._seen = coordinator, seen
        self._beat: Callable[[], Awaitable[bool]] = coordinator._do_heartbeat

    async def __call__(self) -> bool:
        sent_at = time.monotonic()
        is_static = self._coordinator._group_instance_id is not None
        acknowledged = await (self._with_name() if is_static else self._beat())
        if acknowledged:
            self._seen.acknowledged(sent_at)
        return acknowledged

    async def _with_name(self) -> bool:
        of = self._coordinator
        try:
            answer = await of._send_req(NamedHeartbeat(of.group_id, of.generation, of.member_id, of._group_instance_id))
        except KafkaError:
            return False
        if answer.error_code == FENCED_INSTANCE_ID:
            self._seen.name_taken = True
            return False
        # whatever else it is, aiokafka knows what to do about it
        return bool(answer.error_code == 0) or await self._beat()


def leave(thread: Any) -> Awaitable[None]:
    """Give up a static member's place, and join anew: the group keeps the address of whoever had the name first."""
    return _leave(thread._consumer._coordinator)


async def _leave(coordinator: Any) -> None:
    with contextlib.suppress(KafkaError):
        await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))
    coordinator.reset_generation()


def join_again(app: Any) -> None:
    """Ask the group to decide anew who runs what."""
    thread = app.consumer._thread
    if is_joined(thread):
        thread.thread_loop.call_soon_threadsafe(thread._consumer._coordinator.request_rejoin)


async def membership_error(app: Any) -> KafkaError | None:
    """What the coordinator failed of. It is taken from it, as aiokafka's own fetches would: only then it goes on."""
    thread = app.consumer._thread
    if not is_joined(thread):
        return None

    async def taken() -> KafkaError | None:
        try:
            thread._consumer._coordinator.check_errors()
        except KafkaError as error:
            return error
        return None

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(taken(), thread.thread_loop))


def is_membership_over(app: Any) -> bool:
    """Whether the coordinator has ended of an error, for good."""
    thread = app.consumer._thread
    return is_joined(thread) and bool(thread._consumer._coordinator._coordination_task.done())


def is_stopped(service: Any) -> bool:
    """Whether a service was asked to stop: `Service._stopped`, as Faust's own fetch loop asks."""
    return bool(service._stopped.is_set())


async def crash_of(app: Any) -> None:
    """Raises what a service of the app died of: `Service._crashed`, since Faust only marks the app and goes on."""
    await app._crashed.wait()
    raise app.crash_reason
