"""The carrier over HTTP."""

from typing import Literal, assert_never

import msgspec

from app.domain.calls import CancelDeliveries, CancelledDeliveries, Refused, Schedule, Scheduled, Voided
from app.gateways.over_http import HttpParty, path
from app.gateways.ports import CarrierAnswer, not_understood


class _Outcome(msgspec.Struct):
    outcome: Literal["scheduled", "refused", "voided"]
    delivery_id: str = ""
    reason: str = ""


class HttpCarrier:
    """Performs `Schedule` and `CancelDeliveries` at the carrier's API."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._party = HttpParty("carrier", url, timeout_seconds)

    async def perform(self, call: object) -> CarrierAnswer:
        match call:
            case Schedule():
                return await self._schedule(call)
            case CancelDeliveries():
                cancel = path("deliveries", call.order_id, "cancel")
                body = {"order_versions": call.order_versions}
                return await self._party.exchange("POST", cancel, body, CancelledDeliveries)
            case _:
                raise not_understood("carrier", call)

    async def _schedule(self, call: Schedule) -> CarrierAnswer:
        key = path("deliveries", call.order_id, call.order_version)
        answer = await self._party.exchange("PUT", key, {"customer_id": call.customer_id}, _Outcome)
        match answer.outcome:
            case "scheduled":
                return Scheduled(answer.delivery_id)
            case "refused":
                return Refused(answer.reason)
            case "voided":
                return Voided()
            case _:
                assert_never(answer.outcome)

    async def close(self) -> None:
        await self._party.close()
