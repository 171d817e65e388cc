"""What a party says reaches an event that can be written, or is no answer: it is never met for ever."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from app.domain.calls import (
    CancelDeliveries,
    CancelledDeliveries,
    CancelledDelivery,
    Capture,
    Charge,
    Hold,
    Refund,
    Refunds,
    Refused,
    Schedule,
    Scheduled,
    VoidCharges,
)
from app.domain.events import DeliveryRejected, DeliveryScheduled, Event
from app.domain.fields import MAX_MINOR, MAX_TEXT
from app.gateways.carrier import HttpCarrier
from app.gateways.ports import Gateway, PartyUnavailableError
from app.gateways.provider import HttpProvider
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import topic_of
from tests.contract.order_streams import envelope
from tests.contract.person_keys import ChosenRecipients

pytestmark = pytest.mark.anyio

Party: TypeAlias = Callable[[str], Gateway[Any]]

ORDER = str(uuid4())
CHARGE = Charge(order_id=ORDER, order_version=1, customer_id="17850", currency="GBP", amount_minor=100)
HOLD = Hold(order_id=ORDER, order_version=1, customer_id="17850", currency="GBP", amount_minor=100)
CAPTURE = Capture(order_id=ORDER, order_version=1)
VOID = VoidCharges(order_id=ORDER, order_versions=(1,))
SCHEDULE = Schedule(order_id=ORDER, order_version=1, customer_id="17850")
CANCEL = CancelDeliveries(order_id=ORDER, order_versions=(1,))
LONG = "no" * MAX_TEXT
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


def carrier(url: str) -> Gateway[Any]:
    return HttpCarrier(url, timeout_seconds=10.0, recipients=ChosenRecipients())


def provider(url: str) -> Gateway[Any]:
    return HttpProvider(url, timeout_seconds=10.0)


@asynccontextmanager
async def answering(party: Party, answer: object) -> AsyncIterator[Gateway[Any]]:
    """The party's gateway, when it answers this to everything."""

    async def serve(_: web.BaseRequest) -> web.Response:
        return web.json_response(answer)

    async with RawTestServer(serve) as server:
        gateway = party(str(server.make_url("")))
        yield gateway
        await gateway.close()


def written(event: Event) -> Event:
    """As who reads it has it."""
    codec = event_codec(committed_registry(), topic_of(type(event)))
    return codec.decode(codec.encode(event))


REFUSALS: list[tuple[Party, object, str]] = [
    (carrier, SCHEDULE, "reason"),
    (provider, CHARGE, "reason"),
    (provider, HOLD, "reason"),
    (provider, CAPTURE, "reason"),
    (provider, VOID, "refused"),
]


@pytest.mark.parametrize(
    "words", [LONG, CONTROLS, f"{CONTROLS}{LONG}", "no van today"], ids=["long", "controls", "both", "plain"]
)
@pytest.mark.parametrize(("party", "call", "field"), REFUSALS)
async def test_a_refusal_in_any_words_can_be_told(party: Party, call: object, field: str, words: str) -> None:
    async with answering(party, {"outcome": "refused", field: words}) as gateway:
        refused = await gateway.perform(call)
    assert isinstance(refused, Refused)
    written(DeliveryRejected(**envelope(ORDER, 1), order_version=1, reason=refused.reason, code=refused.code))
    assert refused.reason[:12] == words[:12].translate(dict.fromkeys(map(ord, CONTROLS), " "))


@pytest.mark.parametrize("delivery_id", ["", "d" * (MAX_TEXT + 1), "delivery\n1", "delivery\x00"])
async def test_a_delivery_with_an_id_that_no_event_can_carry_is_no_answer(delivery_id: str) -> None:
    for call, answer in (
        (SCHEDULE, {"outcome": "scheduled", "delivery_id": delivery_id}),
        (CANCEL, {"deliveries": [{"order_version": 1, "delivery_id": delivery_id}]}),
    ):
        async with answering(carrier, answer) as gateway:
            with pytest.raises(PartyUnavailableError, match="its answer cannot be read"):
                await gateway.perform(call)


async def test_a_delivery_with_the_longest_id_can_be_told() -> None:
    longest = "d" * MAX_TEXT
    async with answering(carrier, {"outcome": "scheduled", "delivery_id": longest}) as gateway:
        assert await gateway.perform(SCHEDULE) == Scheduled(longest)
    written(DeliveryScheduled(**envelope(ORDER, 1), order_version=1, delivery_id=longest))
    async with answering(carrier, {"deliveries": [{"order_version": 1, "delivery_id": longest}]}) as gateway:
        assert await gateway.perform(CANCEL) == CancelledDeliveries((CancelledDelivery(1, longest),))


@pytest.mark.parametrize(
    ("currency", "amount"), [("", 1), ("gbp", 1), ("GBPS", 1), ("GBP", -1), ("GBP", MAX_MINOR + 1)]
)
async def test_an_amount_that_no_event_can_carry_is_no_answer(currency: str, amount: int) -> None:
    money = {"currency": currency, "amount_minor": amount}
    for call, answer in (
        (CAPTURE, {"outcome": "captured", **money}),
        (VOID, {"refunds": [{"order_version": 1, **money}]}),
    ):
        async with answering(provider, answer) as gateway:
            with pytest.raises(PartyUnavailableError, match="its answer cannot be read"):
                await gateway.perform(call)


async def test_the_largest_amount_can_be_told() -> None:
    refund = {"order_version": 1, "currency": "GBP", "amount_minor": MAX_MINOR}
    async with answering(provider, {"refunds": [refund]}) as gateway:
        assert await gateway.perform(VOID) == Refunds((Refund(1, "GBP", MAX_MINOR),))
