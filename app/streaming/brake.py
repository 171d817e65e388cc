"""Decides whether the outside may be called: many keys that fail alike mean that it is down, not that they are wrong.

Pure: it is told the time. One brake serves all tasks of a worker that call the same party. It begins open, unless so
many keys wait for a retry then that the party may be down.
"""

from collections import deque
from typing import Literal, TypeAlias

import msgspec

from app.streaming.pauses import has_ended

State: TypeAlias = Literal["open", "braking", "probing"]

SECOND = 1_000_000


class BrakePolicy(msgspec.Struct, frozen=True):
    """An outage is when, with no answer between them, `keys` different ones fail within `window_s`, or half of them as
    often as to make twice that many failures. Then one call at a time is tried, after `first_pause_s`, twice that and
    so on, at most after `last_pause_s`."""

    keys: int = 10
    window_s: float = 10.0
    first_pause_s: float = 1.0
    last_pause_s: float = 8.0


class Brake:
    """At most twice as many attempts as `keys` are spent on an outage. All times are microseconds since the epoch.

    open: calls are made. braking: none is begun before `until`. probing: one is under way, and says how to go on.
    """

    def __init__(self, policy: BrakePolicy) -> None:
        self._policy = policy
        self.state: State = "open"
        self.until = 0
        self._pause_s = 0.0
        self._failures: deque[tuple[int, bytes]] = deque(maxlen=2 * policy.keys)

    def is_open(self) -> bool:
        return self.state == "open"

    def lets_probe(self, now: int) -> bool:
        """Whether one call may be tried now, though the brake is not open."""
        return self.state == "braking" and has_ended(self.until, now, int(self._policy.last_pause_s * SECOND))

    def probe(self) -> None:
        """Something that may call has been begun; no other one is before `failed`, `answered` or `passed`."""
        self.state = "probing"

    def doubt(self, waiting: int, now: int) -> None:
        """So many keys wait for a retry, and nothing is known of the party: if they are many, a probe comes first."""
        if self.state == "open" and waiting >= self._policy.keys:
            self.state, self.until = "braking", now
            self._pause_s = self._policy.first_pause_s / 2

    def passed(self, now: int) -> None:
        """What was begun as a probe has ended; when it made no call, the next one may be tried at once."""
        if self.state == "probing":
            self.state, self.until = "braking", now

    def answered(self) -> None:
        """A call was answered, whatever the answer. What was begun before the outage proves nothing about it."""
        if self.state != "braking":
            self.state, self._pause_s = "open", 0.0
            self._failures.clear()

    def failed(self, key: bytes, now: int) -> bool:
        """A call for this key failed transiently; whether that counts as an attempt of its record."""
        counts = self.state == "open"
        if counts:
            self._note(key, now)
        elif self.state == "probing":
            self._brake(min(2 * self._pause_s, self._policy.last_pause_s), now)
        return counts

    def _note(self, key: bytes, now: int) -> None:
        failures, many = self._failures, self._policy.keys
        failures.append((now, key))
        while failures[0][0] < now - int(self._policy.window_s * SECOND):
            failures.popleft()
        failing = len({key for _, key in failures})
        if failing >= many or (len(failures) == 2 * many and 2 * failing >= many):
            failures.clear()
            self._brake(self._policy.first_pause_s, now)

    def _brake(self, pause_s: float, now: int) -> None:
        self._pause_s = pause_s
        self.state, self.until = "braking", now + int(pause_s * SECOND)
