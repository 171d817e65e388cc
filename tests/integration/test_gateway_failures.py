"""What the failures of a party over HTTP mean to who called it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest

from app.domain.calls import Charge, Charged, Refund, Refunds, VoidCharges
from app.embedded.ports import free_ports
from app.gateways.ports import CallRejectedError, PartyUnavailableError, Provider
from app.gateways.provider import HttpProvider
from tests.contract.simulated import SimulatedParty, running
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

LIMIT = 1.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: "


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedParty]:
    with running("provider", tmp_path_factory.mktemp("provider")) as party:
        yield party


@pytest.fixture
async def provider(party: SimulatedParty) -> AsyncIterator[Provider]:
    provider = HttpProvider(party.url, timeout_seconds=10.0)
    yield provider
    await provider.close()
    party.heal()


@pytest.fixture
async def impatient(party: SimulatedParty) -> AsyncIterator[Provider]:
    provider = HttpProvider(party.url, timeout_seconds=LIMIT)
    yield provider
    await provider.close()


def charge(order_id: str | None = None) -> Charge:
    order_id = order_id or str(uuid4())
    return Charge(order_id=order_id, order_version=1, customer_id="17850", currency="GBP", amount_minor=100)


@asynccontextmanager
async def answering(answer: bytes, *, endless: bytes = b"") -> AsyncIterator[Provider]:
    """A party that sends `answer` to every connection that asks, then `endless` byte by byte, or closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(answer)
        while endless and not reader.at_eof():
            writer.write(endless)
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.01)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = HttpProvider(f"http://127.0.0.1:{port}/", timeout_seconds=LIMIT if endless else 10.0)
    try:
        yield provider
    finally:
        await provider.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops",
        b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n",
        OK + b"6\r\n\r\n<html>",
        OK + b"2\r\n\r\n{}",
        OK + b"2\r\n\r\n\xff\xff",
        OK + b'23\r\n\r\n{"outcome": "unheard"} ',
        OK + b'99\r\n\r\n{"outcome": "charged"',
        b"no http at all\r\n\r\n",
        b"",
    ],
)
async def test_answer_that_settles_nothing_means_unavailable(answer: bytes) -> None:
    async with answering(answer) as provider:
        with pytest.raises(PartyUnavailableError, match="provider") as caught:
            await provider.perform(charge())
    assert caught.value.party == "provider"


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "422 No", "302 Found"])
async def test_status_that_blames_the_call_means_rejected(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 6\r\n\r\nreason"
    async with answering(head.encode()) as provider:
        with pytest.raises(CallRejectedError, match="reason"):
            await provider.perform(charge())


async def test_answer_without_end_means_unavailable() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n", endless=b" ") as provider:
        with pytest.raises(PartyUnavailableError, match="no answer within"):
            await provider.perform(charge())


async def test_nobody_listening_means_unavailable() -> None:
    [port] = free_ports(0)
    provider = HttpProvider(f"http://127.0.0.1:{port}", timeout_seconds=10.0)
    with pytest.raises(PartyUnavailableError):
        await provider.perform(charge())
    await provider.close()


async def test_key_that_fits_no_url_is_rejected(provider: Provider) -> None:
    with pytest.raises(CallRejectedError):
        await provider.perform(charge("o" * 100_000))


async def test_strange_order_id_is_one_key(provider: Provider) -> None:
    order_id = f"{uuid4()} ?a=b&%41#é\n"
    assert isinstance(await provider.perform(charge(order_id)), Charged)
    answer = await provider.perform(VoidCharges(order_id=order_id, order_versions=(1,)))
    assert answer == Refunds((Refund(1, "GBP", 100),))


async def test_unavailable_party_is_charged_nothing(provider: Provider, party: SimulatedParty) -> None:
    call = charge()
    party.plant("unavailable", match={"order_id": call.order_id}, count=1)
    with pytest.raises(PartyUnavailableError, match="503"):
        await provider.perform(call)
    assert party.entries(call.order_id) == []
    assert isinstance(await provider.perform(call), Charged)


async def test_unanswered_charge_stands_and_is_not_repeated(
    provider: Provider, impatient: Provider, party: SimulatedParty
) -> None:
    call = charge()
    party.plant("timeout", match={"order_id": call.order_id}, count=1)
    with pytest.raises(PartyUnavailableError, match="no answer within"):
        await impatient.perform(call)
    # it may have given up before the party has recorded the charge
    [entry] = await eventually(lambda: party.entries(call.order_id), "the charge is recorded")
    assert await provider.perform(call) == Charged(entry["payment_id"])


async def test_unanswered_calls_use_up_no_connection(impatient: Provider, party: SimulatedParty) -> None:
    party.plant("timeout", count=200)
    answers = await asyncio.gather(*(impatient.perform(charge()) for _ in range(200)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {PartyUnavailableError}
    party.heal()
    # the party has to come to the calls that were left before it can serve the next within the limit
    assert isinstance(await eventually(lambda: answer_of(impatient), "a charge is answered"), Charged)


async def answer_of(provider: Provider) -> object:
    """Nothing when there is none within the limit."""
    with suppress(PartyUnavailableError):
        return await provider.perform(charge())
    return None
