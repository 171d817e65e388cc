"""What every schema registry answers: the committed lock, and a server that speaks Confluent's API."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
import pytest

from app.embedded.registry import RegistryServer
from app.errors import SetupError
from app.serde.codec import event_codec
from app.serde.errors import RegistryUnavailableError, UnknownSchemaError
from app.serde.lock import CommittedRegistry, committed_registry
from app.serde.registry import RegisteredSchema, SchemaRegistry
from app.serde.registry_asked import AskedRegistry
from app.serde.registry_http import HttpRegistry
from app.serde.topics import ORDERS_EVENTS, topic_of
from tests.schema.sample_events import SAMPLES
from tests.waiting import until

COMMITTED = committed_registry()
FIRST, *OTHERS = COMMITTED.schemas()
NOWHERE = 4711

AnswerT = TypeVar("AnswerT")


class Writers(CommittedRegistry):
    """Knows what writers use, and no schema by its id: as if all were written by a newer version of the product."""

    def schema(self, schema_id: object) -> RegisteredSchema:
        raise UnknownSchemaError(f"{schema_id} is not committed here")


def told(ask: Callable[[], AnswerT]) -> AnswerT:
    """What it answers once the registry has told."""

    def answers() -> list[AnswerT]:
        with suppress(RegistryUnavailableError):
            return [ask()]
        return []

    [answer] = until(answers, "the registry tells")
    return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """Has all committed schemas."""
    server = RegistryServer(tmp_path_factory.mktemp("registry"))
    server.start()
    for schema in COMMITTED.schemas():
        HttpRegistry(server.url).register(schema)
    yield server
    server.stop()


@pytest.fixture(params=["committed", "over HTTP"])
def registry(request: pytest.FixtureRequest) -> SchemaRegistry:
    if request.param == "committed":
        return COMMITTED
    server: RegistryServer = request.getfixturevalue("server")
    return AskedRegistry(Writers(COMMITTED.schemas()), HttpRegistry(server.url).fetch)


def test_a_schema_is_found_by_its_id_as_it_was_committed(registry: SchemaRegistry) -> None:
    found = [told(partial(registry.schema, schema.id)) for schema in COMMITTED.schemas()]
    assert found == COMMITTED.schemas()


def test_an_id_that_it_lacks_is_poison_and_stays_so(registry: SchemaRegistry) -> None:
    for schema_id in (NOWHERE, 0, -1, 2**31 - 1):
        for _ in range(2):
            with pytest.raises(UnknownSchemaError, match=rf"schema {schema_id}\b"):
                told(partial(registry.schema, schema_id))


def test_writers_use_the_newest_committed_version(registry: SchemaRegistry) -> None:
    for schema in COMMITTED.schemas():
        assert registry.newest(schema.subject) == COMMITTED.newest(schema.subject)
        assert registry.id_of(schema.subject) == COMMITTED.id_of(schema.subject)
    with pytest.raises(SetupError):
        registry.newest("nobody's")


def test_every_event_is_read_as_it_was_written(registry: SchemaRegistry) -> None:
    for event in SAMPLES:
        codec = event_codec(registry, topic_of(type(event)))
        assert told(partial(codec.decode, codec.encode(event))) == event


# beyond the port: what only a server can do


def test_ids_that_were_asked_for_outlive_an_outage_and_others_wait_for_its_end(server: RegistryServer) -> None:
    asked: list[int] = []

    def fetch(schema_id: int) -> RegisteredSchema:
        asked.append(schema_id)
        return HttpRegistry(server.url).fetch(schema_id)

    registry = AskedRegistry(Writers(COMMITTED.schemas()), fetch)
    known = told(partial(registry.schema, FIRST.id))
    server.stop()
    assert registry.schema(FIRST.id) == known

    def was_asked_in_vain() -> bool:
        with pytest.raises(RegistryUnavailableError):
            registry.schema(OTHERS[0].id)
        return asked.count(OTHERS[0].id) > 2

    until(was_asked_in_vain, "a server that is away is asked again and again")
    server.start()
    assert told(partial(registry.schema, OTHERS[0].id)) == OTHERS[0]


def test_a_server_that_is_no_registry_tells_of_no_schema(server: RegistryServer) -> None:
    """What it says of a path that it does not know is no word about the schema."""
    with pytest.raises(RegistryUnavailableError, match="did not tell"):
        HttpRegistry(f"{server.url}/elsewhere").fetch(FIRST.id)


def test_a_schema_that_a_newer_version_registered_is_read(server: RegistryServer) -> None:
    newest = COMMITTED.newest(f"{ORDERS_EVENTS}-orderflow.orders.OrderCancelled")
    field = {"name": "cancelled_by", "type": ["null", "string"], "default": None}
    newer = msgspec.structs.replace(
        newest, id=len(OTHERS) + 2, version=2, schema=newest.schema | {"fields": [*newest.schema["fields"], field]}
    )
    http = HttpRegistry(server.url)
    http.register(newer)
    event = next(event for event in SAMPLES if type(event).__name__ == "OrderCancelled")
    value = event_codec(CommittedRegistry([*COMMITTED.schemas(), newer]), ORDERS_EVENTS).encode(event)
    codec = event_codec(AskedRegistry(COMMITTED, http.fetch), ORDERS_EVENTS)
    assert told(partial(codec.decode, value)) == event


def test_a_registry_that_gives_other_ids_is_refused(server: RegistryServer) -> None:
    with pytest.raises(SetupError, match=f"has id {FIRST.id} at .* but {NOWHERE} in the lock"):
        HttpRegistry(server.url).register(msgspec.structs.replace(FIRST, id=NOWHERE))


def test_a_registry_that_is_not_there_is_named() -> None:
    with pytest.raises(SetupError, match=r"cannot be registered at http://127\.0\.0\.1:1"):
        HttpRegistry("http://127.0.0.1:1").register(FIRST)
