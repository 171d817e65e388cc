"""The simulated parties, one process each for all tests of a module, and the command API over a store in memory.

Every test uses order ids of its own.
"""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest

from app.people.people import People
from app.web.api import create_app
from app.web.gateway import Gateway, new_client
from tests.contract.commanding import Store
from tests.contract.person_keys import MemoryPersonKeys
from tests.contract.serving import NOW, NoOwners
from tests.contract.simulated import SimulatedParty, running


@pytest.fixture(scope="module")
def simulated_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedParty]:
    with running("provider", tmp_path_factory.mktemp("provider")) as party:
        yield party


@pytest.fixture(scope="module")
def simulated_carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedParty]:
    with running("carrier", tmp_path_factory.mktemp("carrier")) as party:
        yield party


@pytest.fixture
def order_id() -> str:
    return str(uuid4())


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def person_keys() -> MemoryPersonKeys:
    return MemoryPersonKeys()


@pytest.fixture
async def api(store: Store, person_keys: MemoryPersonKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as workers:
        app = create_app(store, Gateway(NoOwners(), 4, workers), People(person_keys), lambda: NOW)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client
