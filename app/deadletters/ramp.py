"""Decides how fast a campaign sends, and when it has failed. Pure: it is told the time and the counts."""

STEP_S = 5.0
FIRST = 1.0
FACTOR = 10.0
SAMPLE = 10  # fewer decided letters than these count as so many: one that dies again is no share


class Ramp:
    """1, 10, 100 ... letters a second up to `cap`: one step in `STEP_S`, once half of what was sent is decided."""

    def __init__(self, cap: int, now: float, step_s: float = STEP_S) -> None:
        self._cap, self._step_s = float(cap), step_s
        self.rate = min(FIRST, self._cap)
        self._step_began = self._counted = now
        self._due = 1.0

    def due(self, now: float, sent: int, decided: int) -> int:
        """How many may be sent now. Time in which none was asked for is not saved up beyond one second."""
        self._due = min(self._due + (now - self._counted) * self.rate, max(self.rate, 1.0))
        self._counted = now
        if now - self._step_began >= self._step_s and 2 * decided >= sent and self.rate < self._cap:
            self.rate = min(self.rate * FACTOR, self._cap)
            self._step_began = now
        return int(self._due)

    def took(self, count: int) -> None:
        """So many of those due are sent."""
        self._due -= count


def failed(died: int, decided: int, share: float) -> bool:
    """Whether more than `share` of the decided letters died again."""
    return died > share * max(decided, SAMPLE)
