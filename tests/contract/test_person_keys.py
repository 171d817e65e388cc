"""What every store of keys holds to: one key for each person, the same one until it is gone."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from app.people.port import PersonKeys
from app.people.postgres import PostgresPersonKeys
from tests.contract.person_keys import MemoryPersonKeys

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["postgres", "memory"])
async def keys(request: pytest.FixtureRequest) -> AsyncIterator[PersonKeys]:
    if request.param == "memory":
        yield MemoryPersonKeys()
        return
    keys = PostgresPersonKeys(request.getfixturevalue("database"))
    yield keys
    await keys.close()


async def test_a_person_has_one_key_whoever_asks_first(keys: PersonKeys) -> None:
    found = await asyncio.gather(*(keys.of("anna") for _ in range(20)))
    assert len({key.id for key in found}) == 1
    assert len({key.secret for key in found}) == 1
    assert await keys.of("anna") == found[0]


async def test_no_two_persons_have_one_key(keys: PersonKeys) -> None:
    anna, bert = await keys.of("anna"), await keys.of("bert")
    assert anna.id != bert.id
    assert anna.secret != bert.secret


async def test_keys_are_found_by_their_ids_and_unknown_ones_are_not_there(keys: PersonKeys) -> None:
    anna, bert = await keys.of("anna"), await keys.of("bert")
    assert await keys.named({anna.id, bert.id, uuid4()}) == {anna.id: anna, bert.id: bert}
