"""A release that cannot go on with the rows that are there does not begin with them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from app.errors import SetupError
from app.streaming.kafka import topics
from tests.engine.inside import Inside
from tests.engine.log import Log, ticks
from tests.engine.topologies import COUNTS, Count, counting

pytestmark = pytest.mark.anyio


def refuse(rows: Iterable[Count]) -> None:
    keys = sorted(row.key for row in rows)
    if keys:
        raise SetupError(f"in use by {', '.join(keys)}; start another release")


async def test_a_task_whose_rows_are_refused_ends_before_it_reads_a_record(
    kafka: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """The rows come from the changelog: the worker that finds them has never seen them."""
    log, topology = Log(kafka), counting(unique("checked"), tmp_path / "shared", (100,))
    topology.checks(COUNTS, refuse)
    topics.apply(kafka, topology.topics(), 1, 1)
    log.send(f"{topology.name}-in", ticks(2, 2))
    first = Inside(topology, kafka, tmp_path / "first")
    await first.reset()
    await first.handle(4)
    await first.checkpoint()
    await first.close()
    second = Inside(topology, kafka, tmp_path / "second")
    with pytest.raises(SetupError, match=r"in use by key-0, key-1; start another release"):
        await second.reset()
    await second.close()
