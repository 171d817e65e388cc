"""A person is erased in PostgreSQL: by the API and by the command line, audited, and for everyone who reads at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import person
from app.config import Settings, dump
from app.errors import TransientError
from app.eventstore.postgres import PostgresEventStore
from app.people.people import People
from app.people.port import PersonalData
from app.people.postgres import PostgresPersonKeys
from app.people.recipients import StoredRecipients
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from app.web import people
from app.web.api import create_app
from app.web.gateway import Gateway, new_client
from tests.contract.commanding import ORDER
from tests.contract.serving import NOW, NoOwners

pytestmark = pytest.mark.anyio

CODEC = event_codec(committed_registry(), ORDERS_EVENTS)
NAME, ADDRESS = "Annabel Quillfeather", "7 Larkspur Mews, Ludlow"
GIVEN = {"customer_name": NAME, "delivery_address": ADDRESS}
ANNA = PersonalData(state="readable", customer_name=NAME, delivery_address=ADDRESS)
ERASED = PersonalData(state="erased")


@pytest.fixture
async def keys(database: str) -> AsyncIterator[PostgresPersonKeys]:
    keys = PostgresPersonKeys(database)
    yield keys
    await keys.close()


@pytest.fixture
async def api(database: str, keys: PostgresPersonKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with PostgresEventStore(database, CODEC) as store, new_client() as workers:
        app = create_app(store, Gateway(NoOwners(), 4, workers), People(keys), lambda: NOW)
        people.serve(app, keys)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            yield client


@pytest.fixture
async def recipients(database: str) -> AsyncIterator[StoredRecipients]:
    recipients = StoredRecipients(database, CODEC)
    yield recipients
    await recipients.close()


async def placed(api: httpx.AsyncClient, **changes: str) -> str:
    answer = await api.post("/orders", json=ORDER | GIVEN | changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["order_id"])


def asked(database: str, *words: str) -> Any:
    done = CliRunner().invoke(person.cli, [*words, "--json"], env=dump(Settings(postgres=database)))
    assert done.exit_code == 0, done.output
    return msgspec.json.decode(done.output)


async def test_who_delivers_reads_the_order_until_the_person_is_erased(
    api: httpx.AsyncClient, recipients: StoredRecipients
) -> None:
    order_id = await placed(api)
    assert await recipients.of(order_id) == ANNA
    assert (await api.delete("/customers/17850/personal-data")).json()["erased"] is True
    assert await recipients.of(order_id) == ERASED
    assert (await api.get(f"/orders/{order_id}")).json()["personal_data"] == "erased"


async def test_an_erasure_leaves_other_customers_alone(api: httpx.AsyncClient, recipients: StoredRecipients) -> None:
    order_id = await placed(api, customer_id="13047")
    await placed(api)
    await api.delete("/customers/17850/personal-data")
    assert await recipients.of(order_id) == ANNA


async def test_orders_without_a_person_and_unknown_orders_have_no_recipient(
    api: httpx.AsyncClient, recipients: StoredRecipients
) -> None:
    order_id = (await api.post("/orders", json=ORDER)).json()["order_id"]
    for one in (order_id, str(uuid4()), "no order"):
        assert await recipients.of(one) == PersonalData()


async def test_the_command_erases_once_and_says_what_it_did(api: httpx.AsyncClient, database: str) -> None:
    order_id = await placed(api)
    first, again = [await asyncio.to_thread(asked, database, "erase", "17850") for _ in range(2)]
    assert (first["customer_id"], first["erased"], again["erased"]) == ("17850", True, False)
    assert (await api.get(f"/orders/{order_id}")).json()["personal_data"] == "erased"
    assert await asyncio.to_thread(asked, database, "erasures") == [first, again]


async def test_the_audit_says_at_whose_word(api: httpx.AsyncClient, keys: PostgresPersonKeys) -> None:
    await api.delete("/customers/17850/personal-data", params={"operator": "ada"})
    [erasure] = await keys.erasures()
    assert (erasure.customer_id, erasure.who, erasure.erased) == ("17850", "ada", False)


@pytest.mark.parametrize(
    "change", ["update person_erasures set who = 'eve'", "delete from person_erasures", "truncate person_erasures"]
)
async def test_the_audit_is_never_changed(keys: PostgresPersonKeys, database: str, change: str) -> None:
    await keys.erase("17850", "ada")
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.RaiseException, match="never changed"):
        connection.execute(change)


async def test_without_a_database_nothing_is_told_and_it_may_be_asked_again() -> None:
    recipients = StoredRecipients("postgresql://nobody@127.0.0.1:1/nothing", CODEC)
    with pytest.raises(TransientError):
        await recipients.of(str(uuid4()))
    await recipients.close()
