"""The simulated parties, one process each for all tests of a module; every test uses order ids of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

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
