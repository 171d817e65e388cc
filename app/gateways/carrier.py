"""The carrier over HTTP. It alone is told name and address, read at the moment of the call and kept nowhere.

Of its answers to that nothing is passed on but the outcome and the id of the delivery.
"""

from typing import Literal, assert_never

import msgspec

from app.domain.calls import (
    CancelDeliveries,
    CancelledDeliveries,
    CancelledDelivery,
    Refused,
    Schedule,
    Scheduled,
    Voided,
)
from app.gateways.answers import check_id, in_an_event
from app.gateways.over_http import HttpParty, path
from app.gateways.ports import CarrierAnswer, not_understood
from app.people.port import PersonalData, Recipients

# of an order whose recipient was erased: there is nowhere to deliver it to
ERASED = Refused("personal-data-erased")
# in place of the carrier's own words, once it was told of a person: they may repeat that, in whatever spelling
UNQUOTED = Refused("refused-by-carrier")


class _Outcome(msgspec.Struct):
    outcome: Literal["scheduled", "refused", "voided"]
    delivery_id: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.outcome == "scheduled":
            check_id(self.delivery_id)


class _Cancelled(msgspec.Struct):
    deliveries: tuple[CancelledDelivery, ...]

    def __post_init__(self) -> None:
        for delivery in self.deliveries:
            check_id(delivery.delivery_id)


class HttpCarrier:
    """Performs `Schedule` and `CancelDeliveries` at the carrier's API."""

    def __init__(self, url: str, timeout_seconds: float, recipients: Recipients) -> None:
        self._party, self._recipients = HttpParty("carrier", url, timeout_seconds), recipients

    async def perform(self, call: object) -> CarrierAnswer:
        match call:
            case Schedule():
                return await self._schedule_for(call, await self._recipients.of(call.order_id))
            case CancelDeliveries():
                return await self._cancel(call.order_id, call.order_versions)
            case _:
                raise not_understood("carrier", call)

    async def _cancel(self, order_id: str, order_versions: tuple[int, ...]) -> CancelledDeliveries:
        cancel, body = path("deliveries", order_id, "cancel"), {"order_versions": order_versions}
        # it may have been told of a person when the delivery was scheduled
        answer = await self._party.exchange("POST", cancel, body, _Cancelled, quoted=False)
        return CancelledDeliveries(answer.deliveries)

    async def _schedule_for(self, call: Schedule, recipient: PersonalData) -> CarrierAnswer:
        if recipient.state == "erased":
            # an earlier call under this key may have had effect without anybody knowing
            await self._cancel(call.order_id, (call.order_version,))
            return ERASED
        told = {"name": recipient.customer_name, "address": recipient.delivery_address}
        body = {"customer_id": call.customer_id, **{name: text for name, text in told.items() if text}}
        key, quoted = path("deliveries", call.order_id, call.order_version), recipient.state == "none"
        answer = await self._party.exchange("PUT", key, body, _Outcome, quoted=quoted)
        match answer.outcome:
            case "scheduled":
                return Scheduled(answer.delivery_id)
            case "refused":
                return Refused(in_an_event(answer.reason)) if quoted else UNQUOTED
            case "voided":
                return Voided()
            case _:
                assert_never(answer.outcome)

    async def close(self) -> None:
        await self._party.close()
        await self._recipients.close()
