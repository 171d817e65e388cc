"""The committed schemas, and those of a registry that is asked for what is not among them. It never blocks."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from uuid import UUID

import msgspec

from app.observability.log import logger
from app.serde.errors import RegistryUnavailableError, UnknownSchemaError
from app.serde.lock import committed_registry
from app.serde.registry import RegisteredSchema, SchemaRegistry

FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 8.0
LACKS_S = 30.0  # for so long an answer that there is no such schema holds
REMEMBERED = 10_000  # ids that there are not, as hostile values name them

log = logger(__name__)


class Question(msgspec.Struct):
    """One id: the answer under way, and when to ask again once that was none."""

    answer: "Future[RegisteredSchema]"
    again_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S


class AskedRegistry:
    """A `SchemaRegistry` whose ids are those of the lock, and others that `fetch` knows.

    An id that nobody has answered for yet is a `RegistryUnavailableError`, at once: it is asked for in a thread, again
    and again with growing pauses while whoever needs it comes back. Writers use the committed schemas only.
    """

    def __init__(
        self,
        committed: SchemaRegistry,
        fetch: Callable[[int], RegisteredSchema],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._committed, self._fetch, self._clock = committed, fetch, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._known: dict[int, RegisteredSchema] = {}
        self._lacking: dict[int, float] = {}
        self._asked: dict[int, Question] = {}

    def schema(self, schema_id: int | UUID) -> RegisteredSchema:
        try:
            return self._committed.schema(schema_id)
        except UnknownSchemaError:
            if isinstance(schema_id, UUID):  # GUIDs are the lock's own
                raise
        found = self._known.get(schema_id) or self._answer(schema_id)
        if found is None:
            raise RegistryUnavailableError(f"the registry has not told yet of schema {schema_id}; it is asked again")
        return found

    def newest(self, subject: str) -> RegisteredSchema:
        return self._committed.newest(subject)

    def id_of(self, subject: str) -> int:
        return self._committed.id_of(subject)

    def _answer(self, schema_id: int) -> RegisteredSchema | None:
        now = self._clock()
        if self._lacking.get(schema_id, now) > now:
            raise UnknownSchemaError(f"the registry has no schema {schema_id}; register it, then redrive")
        question = self._asked.get(schema_id)
        if question is None:
            question = self._asked[schema_id] = Question(self._thread.submit(self._fetch, schema_id))
        if not question.answer.done():
            return None
        try:
            found = question.answer.result()
        except UnknownSchemaError:
            self._lacks(schema_id, now)
            raise
        except RegistryUnavailableError as error:
            self._ask_again(question, schema_id, error, now)
            return None
        self._known[schema_id] = found
        self._asked.pop(schema_id, None)  # another thread may have seen the same answer
        return found

    def _lacks(self, schema_id: int, now: float) -> None:
        self._asked.pop(schema_id, None)
        if len(self._lacking) >= REMEMBERED:
            self._lacking.clear()
        self._lacking[schema_id] = now + LACKS_S

    def _ask_again(self, question: Question, schema_id: int, error: RegistryUnavailableError, now: float) -> None:
        if not question.again_at:
            question.again_at = now + question.pause_s
            log.warning("registry.unavailable", schema=schema_id, error=str(error), again_in_s=question.pause_s)
        elif question.again_at <= now:
            question.again_at, question.pause_s = 0.0, min(2 * question.pause_s, LAST_PAUSE_S)
            question.answer = self._thread.submit(self._fetch, schema_id)


@cache
def registry_at(url: str) -> SchemaRegistry:
    """The registry of a process: what is committed, and what the one at `url` knows beyond it, if there is one."""
    if not url:
        return committed_registry()
    from app.serde.registry_http import HttpRegistry  # its client is slow to import, and seldom needed

    return AskedRegistry(committed_registry(), HttpRegistry(url).fetch)
