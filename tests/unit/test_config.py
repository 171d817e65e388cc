"""Settings are read whole, or refused by the name of the variable to mend."""

import pytest

from app.config import Settings, dump, load
from app.errors import SetupError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("API", "garbage"),
        ("API", ""),
        ("PROVIDER", "http://"),
        ("CARRIER", "http://host:99999"),
        ("ADVERTISED_URL", "ftp://host"),
        ("PROVIDER", "http://["),
        ("POSTGRES", "garbage"),
        ("PORT", "99999"),
        ("PORT", "-1"),
        ("PARTITIONS", "0"),
        ("REPLICATION", "0"),
        ("LOG_LEVEL", "loud"),
        ("SESSION_TIMEOUT", "nan"),
        ("GATEWAY_TIMEOUT", "inf"),
        ("COMMIT_INTERVAL_MS", "0"),
        ("RETRY_DELAYS_MS", "2000,soon"),
        ("RETRY_DELAYS_MS", "-1"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(SetupError, match=rf"ORDERFLOW_{name} cannot be read: .*mend it"):
        load({f"ORDERFLOW_{name}": text})


def test_a_refused_dsn_is_not_shown() -> None:
    with pytest.raises(SetupError) as refused:
        load({"ORDERFLOW_POSTGRES": "secret@host"})
    assert "secret" not in str(refused.value)


def test_settings_come_back_from_the_environment_that_they_were_written_to() -> None:
    settings = Settings(api="https://shop:8443/base", port=0, retry_delays_ms=(1, 2), log_level="error")
    assert load(dump(settings)) == settings


def test_a_level_may_be_written_large() -> None:
    assert load({"ORDERFLOW_LOG_LEVEL": "INFO"}).log_level == "info"
