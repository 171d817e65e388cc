"""The payment provider over HTTP."""

from typing import Literal, assert_never

import msgspec

from app.domain.calls import (
    Capture,
    Captured,
    Charge,
    Charged,
    Held,
    Hold,
    Refund,
    Refunds,
    Refused,
    VoidCharges,
    Voided,
)
from app.gateways.answers import check_money, in_an_event
from app.gateways.over_http import HttpParty, path
from app.gateways.ports import ProviderAnswer, not_understood


class _Outcome(msgspec.Struct):
    outcome: Literal["charged", "held", "refused", "voided"]
    payment_id: str = ""
    reason: str = ""


class _Capture(msgspec.Struct):
    outcome: Literal["captured", "refused"]
    currency: str = ""
    amount_minor: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        if self.outcome == "captured":
            check_money(self.currency, self.amount_minor)


class _Void(msgspec.Struct):
    refunds: tuple[Refund, ...] = ()
    refused: str = ""

    def __post_init__(self) -> None:
        for refund in self.refunds:
            check_money(refund.currency, refund.amount_minor)


class HttpProvider:
    """Performs `Charge`, `Hold`, `Capture` and `VoidCharges` at the provider's API."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._party = HttpParty("provider", url, timeout_seconds)

    async def perform(self, call: object) -> ProviderAnswer:
        match call:
            case Charge():
                return await self._ask("charges", call)
            case Hold():
                return await self._ask("holds", call)
            case Capture():
                return await self._capture(call)
            case VoidCharges():
                return await self._void(call)
            case _:
                raise not_understood("provider", call)

    async def _ask(self, resource: str, call: Charge | Hold) -> ProviderAnswer:
        body = {"customer_id": call.customer_id, "currency": call.currency, "amount_minor": call.amount_minor}
        key = path(resource, call.order_id, call.order_version)
        answer = await self._party.exchange("PUT", key, body, _Outcome)
        match answer.outcome:
            case "charged":
                return Charged(answer.payment_id)
            case "held":
                return Held(answer.payment_id)
            case "refused":
                return Refused(in_an_event(answer.reason))
            case "voided":
                return Voided()
            case _:
                assert_never(answer.outcome)

    async def _capture(self, call: Capture) -> ProviderAnswer:
        key = path("holds", call.order_id, call.order_version, "capture")
        answer = await self._party.exchange("POST", key, {}, _Capture)
        if answer.outcome == "refused":
            return Refused(in_an_event(answer.reason), code="expired")
        return Captured(answer.currency, answer.amount_minor)

    async def _void(self, call: VoidCharges) -> ProviderAnswer:
        body = {"order_versions": call.order_versions}
        answer = await self._party.exchange("POST", path("charges", call.order_id, "void"), body, _Void)
        if answer.refused:
            return Refused(in_an_event(answer.refused), code="disputed")
        return Refunds(answer.refunds)

    async def close(self) -> None:
        await self._party.close()
