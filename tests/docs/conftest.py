"""One running demo for all pages."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.docs.running import Demo

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        running.wait_until_it_stays_up()
        yield running
    finally:
        running.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Item | None) -> Generator[None]:
    """The demo ends after the last test of a page: a dozen processes would slow down the tests that follow."""
    yield
    running = item.funcargs.get("demo")
    if isinstance(running, Demo) and (nextitem is None or nextitem.path.parent != HERE):
        running.end()
