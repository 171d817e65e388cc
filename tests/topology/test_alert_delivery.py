"""Alerts of the topic reach their receivers once, however long those are away."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.alerts.port import Alert, AlertRefusedError, AlertUndeliveredError
from app.alerts.topic import alert_output
from app.config import Settings
from app.streaming.driver import Driver
from tests.topology.system import REGISTRY, Receivers
from topologies import alerts

ALERT = Alert(name="saga.step_failed", cause={"saga_id": "order-1"}, details={"error": "disputed"}, raised_at=1)


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
def driver(receivers: Receivers) -> Iterator[Driver]:
    driver = Driver([alerts.build(Settings(), REGISTRY, receivers)])
    yield driver
    driver.close()


def test_an_alert_that_comes_again_is_delivered_once(driver: Driver, receivers: Receivers) -> None:
    for _ in range(3):
        driver.pipe(alert_output(ALERT))
        driver.run()
        driver.crash()
    driver.run()
    assert receivers.taken == [ALERT]


def test_an_alert_waits_for_a_receiver_that_is_away_for_longer_than_its_retries(
    driver: Driver, receivers: Receivers
) -> None:
    receivers.failure = AlertUndeliveredError("away")
    driver.pipe(alert_output(ALERT))
    driver.advance(timedelta(hours=1))
    receivers.failure = None
    driver.advance(timedelta(hours=1))
    assert receivers.taken == [ALERT]


def test_an_alert_that_is_refused_is_a_dead_letter(driver: Driver, receivers: Receivers) -> None:
    receivers.failure = AlertRefusedError("status 401")
    driver.pipe(alert_output(ALERT))
    driver.run()
    assert len(driver.records("orderflow-alerts-dlq")) == 1
