"""The faults that a simulated party was told to have. They live in memory: a restarted party has none."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["refuse", "unavailable", "timeout", "dispute"]


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls a fault hits: those that carry every value named here; with none, any call."""

    order_id: str | None = None
    customer_id: str | None = None


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hits up to `count` calls within `seconds` from now; where neither is given, all until the faults are removed.

    `refuse`: the key is refused for good. `unavailable`: 503, nothing is recorded. `timeout`: recorded, not answered.
    `dispute`: an undo is refused, where the party can; it may be asked for again.
    """

    kind: Kind
    match: Match = Match()
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None


class _Planted:
    def __init__(self, fault: Fault, ends_at: float | None) -> None:
        self.fault, self.ends_at, self.left = fault, ends_at, fault.count

    def hits(self, kind: Kind, order_id: str, customer_id: str | None) -> bool:
        match = self.fault.match
        return (
            self.fault.kind == kind
            and match.order_id in (None, order_id)
            and match.customer_id in (None, customer_id)
            and self.left != 0
        )


class Faults:
    """`clock` answers seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._planted: list[_Planted] = []

    def plant(self, fault: Fault) -> None:
        ends_at = None if fault.seconds is None else self._clock() + fault.seconds
        self._planted.append(_Planted(fault, ends_at))

    def clear(self) -> None:
        self._planted.clear()

    def take(self, kind: Kind, order_id: str, customer_id: str | None = None) -> bool:
        """Whether a fault of this kind hits the call; the oldest one that does is used up by one."""
        now = self._clock()
        self._planted = [p for p in self._planted if p.left != 0 and (p.ends_at is None or now < p.ends_at)]
        for planted in self._planted:
            if planted.hits(kind, order_id, customer_id):
                planted.left = None if planted.left is None else planted.left - 1
                return True
        return False
