"""A bug kills records, and more wait behind them than a task parks; it is fixed, and all of them come back.

`BUGS=500` is the long form: as many letters, with 3,000 records behind them.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from app.deadletters import reading, runs
from app.deadletters.campaign import Campaign
from app.deadletters.desk import desk
from app.deadletters.reading import Filter
from app.deadletters.runs import Order
from app.serde.lock import committed_registry
from app.streaming.names import dlq_topic
from tests.engine.cluster import Cluster
from tests.engine.log import Log, differences
from tests.engine.topologies import Faults, Tick
from tests.waiting import until

KEYS, FOLLOWERS, PARKED = int(os.environ.get("BUGS", "20")), 6, 4
LETTERS = KEYS * (1 + FOLLOWERS - PARKED)


def test_after_a_redrive_all_rows_equal_the_fold_as_if_nothing_had_failed(
    kafka: str, database: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """Also when the worker is killed in the middle of it, and when new records come meanwhile."""
    keys = [f"key-{number}" for number in range(KEYS)]
    ticks = [Tick(key=key, number=number, permanent=number == 1) for number in range(1, FOLLOWERS + 2) for key in keys]
    ticks += [Tick(key=f"key-{KEYS}", number=number) for number in range(1, 6)]
    later = [Tick(key=key, number=FOLLOWERS + 2) for key in keys]
    with Cluster(Log(kafka), tmp_path, "counting", unique("fixed"), parked_most=PARKED) as cluster:
        group, buggy = cluster.topology.group, cluster.start("a")
        cluster.ready(buggy)
        cluster.log.send(cluster.source, ticks)
        until(lambda: len(cluster.log.records(dlq_topic(group))) == LETTERS, f"{LETTERS} letters")
        buggy.kill()
        Faults(tmp_path / "shared").fixed.touch()
        worker = cluster.start("a")
        cluster.ready(worker)
        with desk(kafka, database, [group], committed_registry()) as mine:
            order = Order(asked=Filter(reason="non-retryable"), action="redrive", who="op", rate=500)
            run, _, _ = runs.freeze(mine.connection, order, {})
            assert run.letters == LETTERS
            kill_once = threading.Event()

            def interfere(tally: runs.Tally, rate: float) -> None:
                if tally.resolved > LETTERS // 4 and not kill_once.is_set():
                    kill_once.set()
                    worker.kill()
                    cluster.start("a")
                    cluster.log.send(cluster.source, later)

            ended = Campaign(mine.connection, mine.index, kafka, run, "op", 0.3).run(threading.Event(), interfere)
            assert (ended, kill_once.is_set()) == ("finished", True)
            mine.index.catch_up()
            states = Counter(entry.state for entry in reading.letters(mine.connection, Filter()))
        assert states == {"resolved": LETTERS}
        cluster.quiet()
        assert differences(cluster.log, cluster.topology, [*ticks, *later]) == []
