"""Commands ask the API at the address that they are given."""

import pytest

from app.cli.asking_api import asked
from tests.contract.serving import serving


@pytest.mark.parametrize("end", ["", "/"])
def test_an_address_with_a_slash_at_its_end_is_the_same_one(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    with serving() as api:
        monkeypatch.setenv("ORDERFLOW_API", api.url + end)
        assert asked("GET", "/livez") == {"status": "alive"}
