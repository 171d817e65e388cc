"""A registry that does not answer: tasks that met an id they do not hold yet wait for it, others go on."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from app.config import Settings
from app.domain.events import OrderCreated
from app.gateways.memory import InMemoryProvider
from app.serde.codec import event_codec
from app.serde.errors import RegistryUnavailableError, UnknownSchemaError
from app.serde.lock import CommittedRegistry, committed_registry
from app.serde.registry import RegisteredSchema
from app.serde.topics import ORDERS_EVENTS
from app.streaming.driver import Driver
from app.streaming.names import dlq_topic, group_id
from app.streaming.record import Output, Record
from tests.schema.sample_events import ORDER_CREATED
from tests.topology.system import REGISTRY
from topologies import order_views, payments

NEWER = 900
NOWHERE = 901
NAMES = ("order-views", "payments")
COMMITTED = committed_registry()
NEWEST = COMMITTED.newest(f"{ORDERS_EVENTS}-orderflow.orders.OrderCreated")


class Registry(CommittedRegistry):
    """Holds the committed schemas, and must be asked for the others; while `down`, it does not tell."""

    down = True

    def schema(self, schema_id: int | UUID) -> RegisteredSchema:
        try:
            return super().schema(schema_id)
        except UnknownSchemaError:
            if self.down:
                raise RegistryUnavailableError("the registry is down") from None
            if schema_id == NEWER:
                return msgspec.structs.replace(NEWEST, id=NEWER)
            raise


@pytest.fixture
def registry() -> Registry:
    return Registry(COMMITTED.schemas())


@pytest.fixture
def driver(registry: Registry) -> Driver:
    settings = Settings()
    topologies = [order_views.build(settings, registry), payments.build(settings, registry, InMemoryProvider())]
    return Driver(topologies, partitions=2)


def created(number: int) -> OrderCreated:
    assert isinstance(ORDER_CREATED, OrderCreated)
    return msgspec.structs.replace(ORDER_CREATED, order_id=order_id(number), version=1)


def order_id(number: int) -> str:
    return str(UUID(int=number))


def send(driver: Driver, number: int, partition: int, schema_id: int = NEWEST.id) -> Record:
    event = created(number)
    value = bytes([0]) + schema_id.to_bytes(4, "big") + event_codec(REGISTRY, ORDERS_EVENTS).encode(event)[5:]
    return driver.pipe(Output(ORDERS_EVENTS, event.order_id.encode(), value, partition=partition))


def handled(driver: Driver) -> dict[str, set[int]]:
    """The numbers of the orders that each topology has a row of."""
    tables = {"order-views": "order_summaries", "payments": "payments"}
    return {name: {UUID(key.decode()).int for key in driver.rows(name, table)} for name, table in tables.items()}


def everywhere(numbers: set[int]) -> dict[str, set[int]]:
    return dict.fromkeys(NAMES, numbers)


def produced(driver: Driver) -> set[str]:
    """The topics of failures that have records."""
    return {topic for topic, logs in driver.topics.items() if ("retry" in topic or "dlq" in topic) and any(logs)}


def test_a_task_waits_before_a_record_whose_schema_cannot_be_asked_for(driver: Driver, registry: Registry) -> None:
    """What comes before it is done, what comes after it waits, and other tasks go on."""
    with driver:
        send(driver, 1, 0)
        send(driver, 2, 0, NEWER)
        send(driver, 3, 0)
        send(driver, 4, 1)
        driver.advance(timedelta(minutes=5))
        assert handled(driver) == everywhere({1, 4})
        driver.crash()
        driver.advance(timedelta(seconds=1))
        assert handled(driver) == everywhere({1, 4})
        registry.down = False
        driver.advance(timedelta(seconds=1))
        assert handled(driver) == everywhere({1, 2, 3, 4})
        assert produced(driver) == set()


def test_an_id_that_the_registry_lacks_is_a_dead_letter_once(driver: Driver, registry: Registry) -> None:
    with driver:
        registry.down = False
        send(driver, 1, 0, NOWHERE)
        send(driver, 2, 0)
        driver.advance(timedelta(minutes=5))
        assert handled(driver) == everywhere({2})
        for name in NAMES:
            (letter,) = driver.records(dlq_topic(group_id(name)))
            assert dict(letter.headers)["__orderflow.reason"] == b"unknown-schema"


def test_an_unknown_magic_byte_is_a_dead_letter_whatever_the_registry_does(driver: Driver) -> None:
    with driver:
        driver.pipe(Output(ORDERS_EVENTS, order_id(1).encode(), b"\x07" + bytes(20), partition=0))
        send(driver, 2, 0)
        driver.advance(timedelta(minutes=5))
        assert handled(driver) == everywhere({2})
        assert {topic.rpartition("-")[2] for topic in produced(driver)} == {"dlq"}
