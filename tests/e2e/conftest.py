"""One whole system for all tests that ask for it."""

from collections.abc import Generator, Iterator

import pytest

from tests.e2e.whole_system import WholeSystem


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    system = WholeSystem(tmp_path_factory.mktemp("system"))
    try:
        system.wait_until_it_stays_up()
        yield system
    finally:
        system.end()


@pytest.fixture
def faulty(system: WholeSystem) -> Iterator[WholeSystem]:
    """The system, to be given faults: they end with the test."""
    yield system
    for party in (system.settings.provider, system.settings.carrier):
        system.mend(party)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Item | None) -> Generator[None]:
    """The system ends after the last test that asks for it: a dozen processes would slow down those that follow."""
    yield
    running = item.funcargs.get("system")
    needed = isinstance(nextitem, pytest.Function) and "system" in nextitem.fixturenames
    if isinstance(running, WholeSystem) and not needed:
        running.end()
