"""What every carrier adapter holds to."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from app.domain.calls import (
    CancelDeliveries,
    CancelledDeliveries,
    CancelledDelivery,
    Refused,
    Schedule,
    Scheduled,
    VoidCharges,
    Voided,
)
from app.gateways.carrier import HttpCarrier
from app.gateways.memory import InMemoryCarrier
from app.gateways.ports import CallRejectedError, Carrier
from app.people.port import PersonalData
from app.simulators.planted import REFUSED_DELIVERY
from tests.contract.person_keys import ChosenRecipients
from tests.contract.simulated import SimulatedParty

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["http", "memory"])
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    carrier: Carrier = InMemoryCarrier()
    if request.param == "http":
        url = request.getfixturevalue("simulated_carrier").url
        carrier = HttpCarrier(url, timeout_seconds=10.0, recipients=ChosenRecipients())
    yield carrier
    await carrier.close()


def schedule(order_id: str, version: int = 1, customer_id: str = "17850") -> Schedule:
    return Schedule(order_id=order_id, order_version=version, customer_id=customer_id)


def cancel(order_id: str, *versions: int) -> CancelDeliveries:
    return CancelDeliveries(order_id=order_id, order_versions=versions)


async def scheduled(carrier: Carrier, order_id: str, version: int) -> str:
    answer = await carrier.perform(schedule(order_id, version))
    assert isinstance(answer, Scheduled)
    return answer.delivery_id


async def test_repeated_schedule_is_the_same_delivery(carrier: Carrier, order_id: str) -> None:
    first = await scheduled(carrier, order_id, 1)
    assert first
    assert await scheduled(carrier, order_id, 1) == first


async def test_schedules_of_one_key_at_once_are_one_delivery(carrier: Carrier, order_id: str) -> None:
    answers = await asyncio.gather(*(carrier.perform(schedule(order_id)) for _ in range(20)))
    assert len(set(answers)) == 1


async def test_cancel_names_the_deliveries_by_version(carrier: Carrier, order_id: str) -> None:
    second, first = await scheduled(carrier, order_id, 2), await scheduled(carrier, order_id, 1)
    expected = CancelledDeliveries((CancelledDelivery(1, first), CancelledDelivery(2, second)))
    assert await carrier.perform(cancel(order_id, 2, 1, 3)) == expected
    assert await carrier.perform(cancel(order_id, 1, 2)) == expected


async def test_cancelled_key_is_never_scheduled(carrier: Carrier, order_id: str) -> None:
    await scheduled(carrier, order_id, 1)
    await carrier.perform(cancel(order_id, 1, 2))
    assert await carrier.perform(schedule(order_id, 1)) == Voided()
    assert await carrier.perform(schedule(order_id, 2)) == Voided()


async def test_refusal_stands_until_the_key_is_cancelled(carrier: Carrier, order_id: str) -> None:
    refused = schedule(order_id, customer_id=f"{REFUSED_DELIVERY}-7")
    first = await carrier.perform(refused)
    assert isinstance(first, Refused)
    assert first.reason
    assert await carrier.perform(refused) == first
    assert await carrier.perform(cancel(order_id, 1)) == CancelledDeliveries(())
    assert await carrier.perform(refused) == Voided()


async def test_used_key_is_not_scheduled_for_another_customer(carrier: Carrier, order_id: str) -> None:
    await scheduled(carrier, order_id, 1)
    with pytest.raises(CallRejectedError, match="carrier"):
        await carrier.perform(schedule(order_id, customer_id="13047"))


async def test_call_of_another_party_is_rejected(carrier: Carrier, order_id: str) -> None:
    with pytest.raises(CallRejectedError, match="VoidCharges"):
        await carrier.perform(VoidCharges(order_id=order_id, order_versions=(1,)))


@pytest.fixture
def recipients() -> ChosenRecipients:
    return ChosenRecipients()


@pytest.fixture
async def over_http(simulated_carrier: SimulatedParty, recipients: ChosenRecipients) -> AsyncIterator[Carrier]:
    carrier = HttpCarrier(simulated_carrier.url, timeout_seconds=10.0, recipients=recipients)
    yield carrier
    await carrier.close()


ANNA = PersonalData(state="readable", customer_name="Annabel Quillfeather", delivery_address="7 Larkspur Mews")
MOVED = PersonalData(state="readable", customer_name="Annabel Quillfeather", delivery_address="8 Foxglove Row")


async def test_the_carrier_is_told_who_gets_the_order_and_where(
    over_http: Carrier, recipients: ChosenRecipients, simulated_carrier: SimulatedParty, order_id: str
) -> None:
    recipients.chosen[order_id] = ANNA
    await scheduled(over_http, order_id, 1)
    [entry] = simulated_carrier.entries(order_id)
    assert (entry["name"], entry["address"]) == (ANNA.customer_name, ANNA.delivery_address)


async def test_an_order_of_nobody_known_is_delivered_as_ever(
    over_http: Carrier, simulated_carrier: SimulatedParty, order_id: str
) -> None:
    await scheduled(over_http, order_id, 1)
    assert not {"name", "address"} & simulated_carrier.entries(order_id)[0].keys()


async def test_an_order_whose_recipient_was_erased_is_refused_and_never_delivered(
    over_http: Carrier, recipients: ChosenRecipients, simulated_carrier: SimulatedParty, order_id: str
) -> None:
    recipients.chosen[order_id] = PersonalData(state="erased")
    assert await over_http.perform(schedule(order_id)) == Refused("personal-data-erased")
    recipients.chosen[order_id] = ANNA
    assert await over_http.perform(schedule(order_id)) == Voided()
    assert "name" not in simulated_carrier.entries(order_id)[0]


async def test_a_delivery_that_nobody_heard_of_before_the_erasure_is_cancelled(
    over_http: Carrier, recipients: ChosenRecipients, simulated_carrier: SimulatedParty, order_id: str
) -> None:
    recipients.chosen[order_id] = ANNA
    await scheduled(over_http, order_id, 1)
    recipients.chosen[order_id] = PersonalData(state="erased")
    assert await over_http.perform(schedule(order_id)) == Refused("personal-data-erased")
    assert [entry["state"] for entry in simulated_carrier.entries(order_id)] == ["cancelled"]


async def test_an_error_repeats_nothing_that_the_carrier_was_told(
    over_http: Carrier, recipients: ChosenRecipients, order_id: str
) -> None:
    recipients.chosen[order_id] = ANNA
    await scheduled(over_http, order_id, 1)
    recipients.chosen[order_id] = MOVED
    with pytest.raises(CallRejectedError, match="status 409") as rejected:
        await over_http.perform(schedule(order_id))
    told = "".join(traceback.format_exception(rejected.value))
    assert not [word for word in ("Quillfeather", "Larkspur", "Foxglove") if word in told]


@asynccontextmanager
async def answering(recipients: ChosenRecipients, answer: object, status: int = 200) -> AsyncIterator[Carrier]:
    """A carrier that answers this to everything."""

    async def serve(_: web.BaseRequest) -> web.Response:
        return web.json_response(answer, status=status)

    async with RawTestServer(serve) as server:
        carrier = HttpCarrier(str(server.make_url("")), timeout_seconds=10.0, recipients=recipients)
        yield carrier
        await carrier.close()


@pytest.mark.parametrize("spelled", ["Annabel Quillfeather", "AnnabelQuillfeather", "Mews_7", "Quillfea\u0308ther"])
async def test_a_refusal_is_told_in_no_word_of_a_carrier_that_was_told_of_a_person(
    recipients: ChosenRecipients, order_id: str, spelled: str
) -> None:
    recipients.chosen[order_id] = ANNA
    async with answering(recipients, {"outcome": "refused", "reason": f"{spelled} is not known"}) as carrier:
        assert await carrier.perform(schedule(order_id)) == Refused("refused-by-carrier", code="declined")


async def test_a_refusal_is_told_in_the_words_of_a_carrier_that_was_told_of_nobody(
    recipients: ChosenRecipients, order_id: str
) -> None:
    async with answering(recipients, {"outcome": "refused", "reason": "no van today"}) as carrier:
        assert await carrier.perform(schedule(order_id)) == Refused("no van today")


async def test_a_cancel_that_the_carrier_does_not_take_repeats_none_of_its_words(
    recipients: ChosenRecipients, order_id: str
) -> None:
    async with answering(recipients, {"detail": f"delivery for {ANNA.customer_name} has left"}, 409) as carrier:
        with pytest.raises(CallRejectedError, match="status 409") as rejected:
            await carrier.perform(cancel(order_id, 1))
    assert "Quillfeather" not in "".join(traceback.format_exception(rejected.value))
