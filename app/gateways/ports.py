"""The outside as reactions see it: one port for each party, and the two errors that its adapters raise.

A gateway performs the calls of `app.domain.calls` that its party understands. Every effect is idempotent by
(`order_id`, `order_version`): a call may be repeated after any error, and is answered as it was the first time.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, TypeVar

from app.domain.calls import (
    CancelledDeliveries,
    Captured,
    Charged,
    Held,
    Refunds,
    Refused,
    Released,
    Reserved,
    Scheduled,
    Voided,
)
from app.errors import PermanentError, TransientError

ProviderAnswer: TypeAlias = Charged | Held | Captured | Refused | Voided | Refunds
CarrierAnswer: TypeAlias = Scheduled | Refused | Voided | CancelledDeliveries
WarehouseAnswer: TypeAlias = Reserved | Refused | Voided | Released

AnswerT = TypeVar("AnswerT", covariant=True)


class Gateway(Protocol[AnswerT]):
    """One party of the outside world. Performs many calls at once; no wait is longer than its limit."""

    async def perform(self, call: object) -> AnswerT:
        """The party's answer. `PartyUnavailableError`: it may answer later; `CallRejectedError`: it never will."""
        ...

    async def close(self) -> None:
        """Gives its connections back; calls still under way may fail as unavailable."""
        ...


Provider: TypeAlias = Gateway[ProviderAnswer]  # performs Charge, Hold, Capture, VoidCharges
Carrier: TypeAlias = Gateway[CarrierAnswer]  # performs Schedule, CancelDeliveries


class Warehouse(Gateway[WarehouseAnswer], Protocol):
    """Performs Reserve and ReleaseStock, and takes stock in."""

    async def receive(self, receipt_id: str, lines: Sequence[tuple[str, int]]) -> bool:
        """Adds the quantity of each sku once for each `receipt_id`; False when that receipt was there before."""
        ...


class PartyUnavailableError(TransientError):
    """The party did not answer within the limit, or said that it cannot now. Whether the effect happened is unknown."""

    def __init__(self, party: str, detail: str) -> None:
        super().__init__(f"the {party} is unavailable ({detail}); the same call is safe to repeat later")
        self.party = party


class CallRejectedError(PermanentError):
    """The party does not take this call, however often it is made. Not a refusal, which is an answer."""

    def __init__(self, party: str, detail: str) -> None:
        super().__init__(f"the {party} does not take this call ({detail}); look at the event that caused it")
        self.party = party


def not_understood(party: str, call: object) -> CallRejectedError:
    """The error of a call that belongs to another party."""
    return CallRejectedError(party, f"{type(call).__name__} is none of its calls")
