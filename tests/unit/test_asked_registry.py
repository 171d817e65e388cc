"""A registry that is asked in a thread: how often, what is remembered, and that nobody waits for it."""

import threading
from itertools import pairwise

import pytest

from app.serde.errors import RegistryUnavailableError, UnknownSchemaError
from app.serde.lock import CommittedRegistry, committed_registry
from app.serde.registry import RegisteredSchema
from app.serde.registry_asked import LACKS_S, LAST_PAUSE_S, AskedRegistry
from tests.waiting import PATIENCE_S, until

FIRST, SECOND, *_ = committed_registry().schemas()
NOWHERE = 4711


class Server:
    """Holds the second committed schema, and answers when it is `free`."""

    def __init__(self) -> None:
        self.questions: list[int] = []
        self.down = False
        self.now = 100.0
        self.free = threading.Event()
        self.free.set()
        self.registry = AskedRegistry(CommittedRegistry([FIRST]), self.fetch, lambda: self.now)

    def fetch(self, schema_id: int) -> RegisteredSchema:
        self.questions.append(schema_id)
        assert self.free.wait(PATIENCE_S)
        if self.down:
            raise RegistryUnavailableError("down")
        if schema_id != SECOND.id:
            raise UnknownSchemaError("none")
        return SECOND

    def answered(self, schema_id: int) -> None:
        """Returns when the latest question about it has its answer."""
        assert isinstance(self.registry._asked[schema_id].answer.exception(PATIENCE_S), RegistryUnavailableError)

    def told(self, schema_id: int) -> RegisteredSchema:
        """Its answer, once it has one."""
        until(lambda: not self._is_silent(schema_id), f"the registry tells of {schema_id}")
        return self.registry.schema(schema_id)

    def _is_silent(self, schema_id: int) -> bool:
        try:
            self.registry.schema(schema_id)
        except RegistryUnavailableError:
            return True
        except UnknownSchemaError:
            return False
        return False


@pytest.fixture
def server() -> Server:
    return Server()


def test_what_is_committed_is_never_asked_for(server: Server) -> None:
    assert server.registry.schema(FIRST.id) == FIRST
    assert server.registry.schema(FIRST.guid) == FIRST
    with pytest.raises(UnknownSchemaError):
        server.registry.schema(SECOND.guid)
    assert server.questions == []


def test_nobody_waits_for_an_answer_and_one_question_is_enough(server: Server) -> None:
    server.free.clear()
    for _ in range(10):
        with pytest.raises(RegistryUnavailableError):
            server.registry.schema(SECOND.id)
    server.free.set()
    assert server.told(SECOND.id) == SECOND
    server.down = True
    assert server.registry.schema(SECOND.id) == SECOND
    assert server.questions == [SECOND.id]


def test_an_id_that_it_lacks_is_asked_for_again_only_after_a_while(server: Server) -> None:
    for _ in range(10):
        with pytest.raises(UnknownSchemaError):
            server.told(NOWHERE)
    assert server.questions == [NOWHERE]
    server.now += LACKS_S
    with pytest.raises(UnknownSchemaError):
        server.told(NOWHERE)
    assert server.questions == [NOWHERE] * 2


def test_a_registry_that_is_down_is_asked_again_after_growing_pauses(server: Server) -> None:
    """Whoever needs it comes back 20 times a second."""
    server.down = True
    asked_at: list[float] = []
    for _ in range(20 * 40):
        with pytest.raises(RegistryUnavailableError):
            server.registry.schema(SECOND.id)
        server.answered(SECOND.id)
        asked_at += [server.now] * (len(server.questions) - len(asked_at))
        server.now += 0.05
    pauses = [round(later - earlier, 2) for earlier, later in pairwise(asked_at)]
    assert all(later > earlier - 0.1 for earlier, later in pairwise(pauses))  # to the nearest return
    assert pauses[0] < 1.0
    assert LAST_PAUSE_S <= pauses[-1] < LAST_PAUSE_S + 0.2
    server.down = False
    server.now += LAST_PAUSE_S
    assert server.told(SECOND.id) == SECOND
