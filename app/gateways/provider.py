"""The payment provider over HTTP."""

from typing import Literal, assert_never

import msgspec

from app.domain.calls import Charge, Charged, Refunds, Refused, VoidCharges, Voided
from app.gateways.over_http import HttpParty, path
from app.gateways.ports import ProviderAnswer, not_understood


class _Outcome(msgspec.Struct):
    outcome: Literal["charged", "refused", "voided"]
    payment_id: str = ""
    reason: str = ""


class HttpProvider:
    """Performs `Charge` and `VoidCharges` at the provider's API."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._party = HttpParty("provider", url, timeout_seconds)

    async def perform(self, call: object) -> ProviderAnswer:
        match call:
            case Charge():
                return await self._charge(call)
            case VoidCharges():
                body = {"order_versions": call.order_versions}
                return await self._party.exchange("POST", path("charges", call.order_id, "void"), body, Refunds)
            case _:
                raise not_understood("provider", call)

    async def _charge(self, call: Charge) -> ProviderAnswer:
        body = {"customer_id": call.customer_id, "currency": call.currency, "amount_minor": call.amount_minor}
        key = path("charges", call.order_id, call.order_version)
        answer = await self._party.exchange("PUT", key, body, _Outcome)
        match answer.outcome:
            case "charged":
                return Charged(answer.payment_id)
            case "refused":
                return Refused(answer.reason)
            case "voided":
                return Voided()
            case _:
                assert_never(answer.outcome)

    async def close(self) -> None:
        await self._party.close()
