"""A row that grows past its limit, on the brokerless driver."""

from collections.abc import AsyncIterator

import msgspec

from app.streaming.driver import Driver
from app.streaming.letters import read_letter
from app.streaming.names import dlq_topic
from app.streaming.policy import FailurePolicy
from app.streaming.projection import Projections
from app.streaming.record import Output
from app.streaming.table import TableSpec
from app.streaming.topology import StructCodec, TaskBatch, Topology


class Word(msgspec.Struct, frozen=True):
    key: str
    text: str


class Text(msgspec.Struct, frozen=True, array_like=True):
    text: str


WORDS = StructCodec(Word, lambda word: word.key)
TEXTS = TableSpec("texts", Text, limit=20)


def grow(row: Text | None, word: Word) -> Text:
    return Text((row.text if row else "") + word.text)


def texts() -> Topology:
    topology = Topology("texts", FailurePolicy(()))
    projections = Projections(topology)
    projections.add(topology.source("words", WORDS), into=TEXTS, fold=grow)

    @topology.agent
    async def collect(batches: AsyncIterator[TaskBatch]) -> None:
        async for batch in batches:
            await projections.process(batch)

    return topology


def test_the_record_that_makes_a_row_too_large_is_set_aside_alone() -> None:
    """What came before it stands, and other keys go on."""
    topology = texts()
    with Driver([topology]) as driver:
        for word in (Word("a", "short"), Word("b", "b"), Word("a", "x" * 17), Word("b", "c"), Word("c", "d")):
            driver.pipe(Output("words", word.key.encode(), WORDS.encode(word)))
        driver.run()
        rows = driver.rows(topology.name, "texts")
        letters = driver.records(dlq_topic(topology.group))
    assert rows == {b"a": Text("short"), b"b": Text("bc"), b"c": Text("d")}
    assert [read_letter(letter).offset for letter in letters] == [2]
