"""Settings are read whole, or refused by the name of the variable to mend."""

import pytest

from app.config import Failures, Retries, Settings, dump, load
from app.errors import SetupError
from app.streaming.policy import FailurePolicy
from topologies import catalogue


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
        ("FAILURES", "{"),
        ("FAILURES", '{"payments": {"retry": 3}}'),
        ("FAILURES", '{"payments": {"jitter": 2}}'),
        ("FAILURES", '{"payments": {"topics": {"orders.events": {"base_ms": "soon"}}}}'),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(SetupError, match=rf"ORDERFLOW_{name} cannot be read: .*mend it"):
        load({f"ORDERFLOW_{name}": text})


def test_a_refused_dsn_is_not_shown() -> None:
    with pytest.raises(SetupError) as refused:
        load({"ORDERFLOW_POSTGRES": "secret@host"})
    assert "secret" not in str(refused.value)


def test_a_password_is_never_shown() -> None:
    settings = load(
        {
            "ORDERFLOW_POSTGRES": "postgresql://orderflow:hush@host/orderflow",
            "ORDERFLOW_REGISTRY": "https://orderflow:hush@registry:8081",
            "ORDERFLOW_ALERT_WEBHOOK": "https://orderflow:hush@pager/alerts",
            "ORDERFLOW_ALERT_SECRET": "hush",
        }
    )
    assert "hush" not in repr(settings)
    assert "https://***@registry:8081" in repr(settings)
    assert "https://***@pager/alerts" in repr(settings)
    assert "hush" not in repr(load({"ORDERFLOW_REGISTRY": "https://orderflow:p@hush@registry:8081"}))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://orderflow:hush@registry",
        "http://orderflow:hush/hush@registry",
        "http://orderflow:hush?hush@registry",
        "http://orderflow:hush#hush@registry",
        "orderflow:hush@registry",
    ],
)
def test_a_refused_url_with_a_password_is_not_shown(url: str) -> None:
    with pytest.raises(SetupError, match=r"ORDERFLOW_REGISTRY cannot be read: .*not shown") as refused:
        load({"ORDERFLOW_REGISTRY": url})
    assert "hush" not in str(refused.value)


def test_settings_come_back_from_the_environment_that_they_were_written_to() -> None:
    failures = {"payments": Failures(retries=Retries(base_ms=5), topics={"orders.events": Retries(max_retries=1)})}
    settings = Settings(api="https://shop:8443/base", port=0, retry_delays_ms=(1, 2), failures=failures)
    assert load(dump(settings)) == settings


def test_a_level_may_be_written_large() -> None:
    assert load({"ORDERFLOW_LOG_LEVEL": "INFO"}).log_level == "info"


def test_waits_grow_up_to_the_longest() -> None:
    assert Retries().delays_ms() == (2_000, 4_000, 8_000, 16_000, 32_000)
    assert Retries(max_retries=3, base_ms=10, multiplier=3, max_delay_ms=50).delays_ms() == (10, 30, 50)
    assert Retries(max_retries=0).delays_ms() == ()


def test_a_topology_can_handle_failures_in_its_own_way() -> None:
    told = """{"payments": {
        "retries": {"max_retries": 2}, "topics": {"orders.events": {"max_retries": 1, "base_ms": 100}},
        "jitter": 0.5, "parked_most": 7, "dead_keys": "go-on"
    }}"""
    settings = load({"ORDERFLOW_FAILURES": told})
    expected = FailurePolicy((2_000, 4_000), {"orders.events": (100,)}, 0.5, 7, goes_on=True)
    assert catalogue.build("payments", settings).policy == expected
    assert catalogue.build("shipping", settings).policy == FailurePolicy(settings.retry_delays_ms)
    assert set(catalogue.build("payments", settings).retry_topics.values()) == {100, 2_000, 4_000}


@pytest.mark.parametrize(
    "told", [{"payment": Failures()}, {"payments": Failures(topics={"shipping.events": Retries()})}]
)
def test_settings_of_a_topology_or_topic_that_there_is_not_are_refused(told: dict[str, Failures]) -> None:
    with pytest.raises(SetupError, match=r"there is no topology|does not read"):
        catalogue.build("payments", Settings(failures=told))
