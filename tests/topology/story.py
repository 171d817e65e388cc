"""A topology whose handler fails as told, on the driver: all texts of a key are one row, in the order of handling."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from app.errors import TransientError
from app.streaming.driver import Driver
from app.streaming.letters import Handling, Letter, Outcome, read_letter_topic, redrive_output
from app.streaming.policy import FailurePolicy
from app.streaming.projection import Projections
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import StructCodec, TaskBatch, Topology

SOURCE, OTHER_SOURCE = "letters", "cards"
DLQ = "orderflow-story-dlq"
REDRIVE = "orderflow-story-redrive"
DELAYS_MS = (2_000, 4_000)
POLICY = FailurePolicy(DELAYS_MS)


class Text(msgspec.Struct, frozen=True):
    key: str
    text: str


class Story(msgspec.Struct, frozen=True):
    """All texts of a key, in the order in which they were handled."""

    texts: tuple[str, ...]


class Faults:
    """Makes the handling of a text fail `times` more times."""

    def __init__(self) -> None:
        self.left: dict[str, int] = {}
        self.error: type[Exception] = TransientError
        self.attempts: list[tuple[str, int]] = []

    def fold(self, row: Story | None, text: Text, now_us: int) -> Story:
        self.attempts.append((text.text, now_us))
        if self.left.get(text.text, 0) > 0:
            self.left[text.text] -= 1
            raise self.error(f"{text.text} fails")
        return Story((*(row.texts if row else ()), text.text))


@contextmanager
def telling(faults: Faults, policy: FailurePolicy = POLICY) -> Iterator[Driver]:
    """The topology on a driver of one partition."""
    topology = Topology("story", policy)
    sources = [topology.source(topic, StructCodec(Text, lambda text: text.key)) for topic in (SOURCE, OTHER_SOURCE)]
    projections = Projections(topology)
    running: list[Driver] = []
    projections.add(
        *sources,
        into=TableSpec("stories", Story),
        fold=lambda row, text: faults.fold(row, text, running[0].now_us),
    )

    @topology.agent
    async def tell(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await projections.process(batch)

    with Driver([topology]) as driver:
        running.append(driver)
        yield driver


def value_of(key: str, text: str) -> bytes:
    return msgspec.msgpack.encode(Text(key, text))


def send(driver: Driver, key: str, *texts: str, topic: str = SOURCE) -> None:
    for text in texts:
        driver.pipe(Output(topic, key.encode(), value_of(key, text), [("h", b"\x00\xff")]))


def told(driver: Driver, key: str) -> tuple[str, ...]:
    row = driver.rows("story", "stories").get(key.encode())
    return row.texts if row else ()


def letters(driver: Driver) -> list[Letter]:
    """The dead letters, in the order in which they died."""
    return [found for record in driver.records(DLQ) if isinstance(found := read_letter_topic(record), Letter)]


def outcomes(driver: Driver) -> list[tuple[str, str]]:
    """(text of the letter, what became of it), in the order in which it was told."""
    texts = {letter.id: text_of(letter) for letter in letters(driver)}
    found = [read_letter_topic(record) for record in driver.records(DLQ)]
    return [(texts[one.letter], one.result) for one in found if isinstance(one, Outcome)]


def text_of(letter: Letter) -> str:
    return msgspec.msgpack.decode(letter.value or b"", type=Text).text


def send_back(driver: Driver, letter: Letter, action: Handling = "redrive", *, instead: str | None = None) -> None:
    """What an operator does; `instead` is the text of an edited payload."""
    if instead is not None:
        value = value_of((letter.key or b"").decode(), instead)
        letter = replace(letter, value=value, edited_from=letter.id)
    driver.pipe(redrive_output(letter, action, "run-1"))
