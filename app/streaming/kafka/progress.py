"""How far the restore of one task is: told by its thread, read by logs, metrics, pages and people."""

import time
from collections import deque
from collections.abc import Callable

from app.observability.metrics import RESTORED

SAMPLE_S = 0.25
SAMPLES = 40


class Progress:
    """`restored` counts records; `remaining` counts offsets, of which compaction and markers leave some empty."""

    def __init__(self, group: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._group, self._clock = group, clock
        self.restored = self.remaining = 0
        self.moved_at = clock()
        self._samples: deque[tuple[float, int, int]] = deque([(self.moved_at, 0, 0)], SAMPLES)

    def begin(self, remaining: int) -> None:
        """What lies ahead is known."""
        self.remaining, self.moved_at = remaining, self._clock()
        # a new one: another thread looks at its first sample, and a cleared one has none
        self._samples = deque([(self.moved_at, self.restored, remaining)], SAMPLES)

    def advance(self, records: int, remaining: int) -> None:
        """So many more records are in the store."""
        now = self._clock()
        if records or remaining != self.remaining:
            self.moved_at = now
        self.restored, self.remaining = self.restored + records, remaining
        RESTORED.labels(self._group).inc(records)
        if now - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now, self.restored, remaining))

    def standing_s(self) -> float:
        """Seconds since anything came."""
        return self._clock() - self.moved_at

    def rate(self) -> float:
        """Records a second, of late: over the last ten seconds of work."""
        seconds, records, _ = self._of_late()
        return records / seconds if seconds > 0 else 0.0

    def left_s(self) -> float | None:
        """Seconds to go at the pace of late; None when nobody can tell."""
        seconds, _, offsets = self._of_late()
        if not self.remaining:
            return 0.0
        return self.remaining * seconds / offsets if offsets > 0 else None

    def _of_late(self) -> tuple[float, int, int]:
        then, restored, remaining = self._samples[0]
        return self._clock() - then, self.restored - restored, remaining - self.remaining

    def told(self) -> dict[str, object]:
        """The same for logs and pages."""
        left_s = self.left_s()
        return {
            "restored": self.restored,
            "remaining": self.remaining,
            "rate": round(self.rate()),
            "left_s": None if left_s is None else round(left_s, 1),
        }

    def __str__(self) -> str:
        if not self.remaining:
            return f"{self.restored:,} records restored"
        left_s = self.left_s()
        when = "nobody can tell when it ends" if left_s is None else f"{left_s:.0f} s left"
        return f"{self.restored:,} records restored, {self.rate():,.0f}/s, {self.remaining:,} to go, {when}"
