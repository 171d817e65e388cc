"""Wherever alerts go, each arrives once; a webhook's receiver may fail, and knows who sends."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from structlog.testing import capture_logs

from app.alerts.log import LogAlerts
from app.alerts.once import REMEMBERED, Once
from app.alerts.port import Alert, AlertRefusedError, Alerts, AlertUndeliveredError, body
from app.alerts.topic import ALERTS, AlertCodec, alert_output
from app.alerts.webhook import SIGNATURE, WebhookAlerts, signature
from app.errors import PoisonError

pytestmark = pytest.mark.anyio

NOW_S = 1_700_000_000
SECRET = b"known to both"


def alert(order: str = "order-1", error: str = "refused") -> Alert:
    return Alert(
        name="saga.compensation_failed",
        cause={"saga": "fulfilment", "saga_id": order, "step": "payment"},
        details={"error": error},
        raised_at=NOW_S * 1_000_000,
    )


class Receiver:
    """A local server: it answers with the statuses it was given, then takes everything."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.requests: list[tuple[Mapping[str, str], bytes]] = []
        self.taken: list[dict[str, Any]] = []
        self.hangs = 0

    async def take(self, request: web.BaseRequest) -> web.Response:
        content = await request.read()
        self.requests.append((request.headers, content))
        if self.hangs:
            self.hangs -= 1
            await asyncio.Event().wait()
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        self.taken.append(json.loads(content))
        return web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    async with RawTestServer(receiver.take) as server:
        yield receiver, str(server.make_url("/alerts"))


@pytest.fixture
async def webhook(receiver: tuple[Receiver, str]) -> AsyncIterator[WebhookAlerts]:
    alerts = WebhookAlerts(receiver[1], SECRET, timeout_s=5.0, now_s=lambda: NOW_S)
    yield alerts
    await alerts.close()


class Sink(Protocol):
    """Where alerts go, and what arrived there."""

    alerts: Alerts

    def arrived(self) -> list[str]: ...


class LogSink:
    def __init__(self, lines: list[Any]) -> None:
        self.alerts: Alerts = LogAlerts()
        self._lines = lines

    def arrived(self) -> list[str]:
        return [line["alert_id"] for line in self._lines if line["log_level"] == "critical"]


class WebhookSink:
    def __init__(self, alerts: WebhookAlerts, receiver: Receiver) -> None:
        self.alerts: Alerts = alerts
        self._receiver = receiver

    def arrived(self) -> list[str]:
        return [taken["id"] for taken in self._receiver.taken]


@pytest.fixture(params=["log", "webhook"])
def sink(request: pytest.FixtureRequest, webhook: WebhookAlerts, receiver: tuple[Receiver, str]) -> Any:
    with capture_logs() as lines:
        yield LogSink(lines) if request.param == "log" else WebhookSink(webhook, receiver[0])


async def test_an_alert_arrives_once_however_often_it_is_sent(sink: Sink) -> None:
    for _ in range(3):
        await sink.alerts.send(alert())
    assert sink.arrived() == [alert().id]


async def test_an_alert_sent_several_times_at_once_arrives_once(sink: Sink) -> None:
    await asyncio.gather(*(sink.alerts.send(alert(error=str(number))) for number in range(5)))
    assert sink.arrived() == [alert().id]


async def test_alerts_of_different_causes_arrive_each(sink: Sink) -> None:
    await sink.alerts.send(alert("order-1"))
    await sink.alerts.send(alert("order-2"))
    assert sink.arrived() == [alert("order-1").id, alert("order-2").id]


async def test_a_sink_can_be_closed_twice(sink: Sink) -> None:
    await sink.alerts.close()
    await sink.alerts.close()


def test_the_id_of_an_alert_is_that_of_its_cause_in_every_process() -> None:
    assert alert(error="refused").id == alert(error="no answer").id == "5a797b57f7fdd6806dfb86c9ce6069eb"
    assert len({alert("order-1").id, alert("order-2").id}) == 2


async def test_a_receiver_can_check_who_sent_an_alert_and_when(
    webhook: WebhookAlerts, receiver: tuple[Receiver, str]
) -> None:
    await webhook.send(alert())
    [(headers, content)] = receiver[0].requests
    expected = hmac.new(SECRET, str(NOW_S).encode() + b"." + content, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"t={NOW_S},v1={expected}"
    assert signature(b"another", NOW_S, content) != headers[SIGNATURE] != signature(SECRET, NOW_S + 1, content)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_alert_that_was_not_taken_is_undelivered_and_can_be_sent_again(
    webhook: WebhookAlerts, receiver: tuple[Receiver, str], status: int
) -> None:
    receiver[0].statuses = [status]
    with pytest.raises(AlertUndeliveredError, match=f"status {status}"):
        await webhook.send(alert())
    await webhook.send(alert())
    assert receiver[0].taken == [json.loads(body(alert()))]
    assert {headers["Idempotency-Key"] for headers, _ in receiver[0].requests} == {alert().id}


async def test_a_refused_alert_is_not_repeated(webhook: WebhookAlerts, receiver: tuple[Receiver, str]) -> None:
    receiver[0].statuses = [401]
    with pytest.raises(AlertRefusedError, match="status 401"):
        await webhook.send(alert())
    assert len(receiver[0].requests) == 1


async def test_a_receiver_that_hangs_is_given_up(receiver: tuple[Receiver, str]) -> None:
    receiver[0].hangs = 1
    alerts = WebhookAlerts(receiver[1], SECRET, timeout_s=0.2)
    with pytest.raises(AlertUndeliveredError, match="no answer within"):
        await alerts.send(alert())
    await alerts.close()


async def test_a_receiver_that_is_not_there_is_undelivered() -> None:
    alerts = WebhookAlerts("http://127.0.0.1:1/alerts", SECRET, timeout_s=5.0)
    with pytest.raises(AlertUndeliveredError):
        await alerts.send(alert())
    await alerts.close()


async def test_an_address_that_is_none_is_refused() -> None:
    alerts = WebhookAlerts("nowhere", SECRET, timeout_s=5.0)
    with pytest.raises(AlertRefusedError, match="nowhere"):
        await alerts.send(alert())
    await alerts.close()


def test_an_alert_is_one_message_with_its_id_as_key() -> None:
    output = alert_output(alert())
    assert (output.topic, output.key) == (ALERTS, alert().id.encode())
    assert output.value is not None
    assert json.loads(output.value) == {
        "id": alert().id,
        "name": "saga.compensation_failed",
        "severity": "critical",
        "raised_at": NOW_S * 1_000_000,
        "cause": {"saga": "fulfilment", "saga_id": "order-1", "step": "payment"},
        "details": {"error": "refused"},
    }
    assert alert_output(alert()) == output
    assert AlertCodec().decode(output.value) == alert()


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b'{"name": 1}'])
def test_bytes_that_are_no_alert_are_poison(value: bytes | None) -> None:
    with pytest.raises(PoisonError):
        AlertCodec().decode(value)


async def test_what_was_delivered_is_remembered_up_to_a_bound() -> None:
    once, delivered = Once(), 0

    async def deliver(_: Alert) -> None:
        nonlocal delivered
        delivered += 1

    for number in range(REMEMBERED + 1):
        await once.deliver(alert(str(number)), deliver)
    await once.deliver(alert(str(REMEMBERED)), deliver)
    assert delivered == REMEMBERED + 1
    await once.deliver(alert("0"), deliver)
    assert delivered == REMEMBERED + 2
