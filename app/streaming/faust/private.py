"""Every private name of Faust and aiokafka that the engine touches, each with its reason.

A test looks each of them up, so that an upgrade that moves one is red before it is deployed.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

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
# And those that it calls: letting the streams flow is all that is left of the recovery.
CALLED = {"faust.tables.recovery:Recovery": ("_resume_streams",)}


def is_joined(thread: Any) -> bool:
    """Whether the membership client runs already: `ConsumerThread._consumer`, set once it has started."""
    return thread._consumer is not None


def pause_fetch(thread: Any, partitions: Any) -> None:
    """Keep aiokafka from fetching what librdkafka fetches. It must happen in the rebalance callback, before its
    fetcher starts, and Faust's own pause only filters what is taken: hence aiokafka's consumer itself."""
    thread._consumer.pause(*partitions)


def touch_poll(thread: Any) -> None:
    """Tell aiokafka that records are being taken: it leaves the group after `max_poll_interval` without, and only its
    own fetches, which are paused, count (`SubscriptionState.fetch_context`)."""
    with thread._consumer._subscription.fetch_context():
        pass


class Heartbeats:
    """When the group last acknowledged this member: `GroupCoordinator._do_heartbeat` is wrapped, since aiokafka keeps
    that time in a local variable. Times are `time.monotonic()` seconds; written from the membership's thread."""

    def __init__(self) -> None:
        self.acknowledged_at = float("-inf")
        self._between_generations = True

    def leaving(self) -> None:
        """A rebalance began: what this member owns is decided anew."""
        self._between_generations = True

    def joined(self, thread: Any) -> None:
        """An assignment was received: acknowledged now, and from here on by heartbeats."""
        self.acknowledged_at = time.monotonic()
        self._between_generations = False
        coordinator = thread._consumer._coordinator
        if not isinstance(coordinator._do_heartbeat, _Watched):
            coordinator._do_heartbeat = _Watched(coordinator._do_heartbeat, self)

    def are_within(self, session_timeout_s: float) -> bool:
        """Whether the group still counts this member in, for all that it has heard."""
        age_s = time.monotonic() - self.acknowledged_at
        return age_s < session_timeout_s and not self._between_generations


class _Watched:
    def __init__(self, beat: Callable[[], Awaitable[bool]], seen: Heartbeats) -> None:
        self._beat, self._seen = beat, seen

    async def __call__(self) -> bool:
        sent_at = time.monotonic()
        acknowledged = await self._beat()
        if acknowledged:
            self._seen.acknowledged_at = sent_at
        return acknowledged


def is_stopped(service: Any) -> bool:
    """Whether a service was asked to stop: `Service._stopped`, as Faust's own fetch loop asks."""
    return bool(service._stopped.is_set())


async def crash_of(app: Any) -> None:
    """Raises what a service of the app died of: `Service._crashed`, since Faust only marks the app and goes on."""
    await app._crashed.wait()
    raise app.crash_reason
