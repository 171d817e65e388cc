"""Dead letters in a process that runs long: the index is kept up to date, campaigns run in the background."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.deadletters import reading, runs
from app.deadletters.alone import alone
from app.deadletters.campaign import Campaign
from app.deadletters.database import connect
from app.deadletters.desk import Desk, FilledDesk, desk
from app.deadletters.errors import CampaignRunningError, NoRunError
from app.deadletters.runs import Run
from app.errors import OrderflowError
from app.observability.log import logger
from app.observability.metrics import OLDEST_LETTER, OPEN_LETTERS
from app.serde.registry import SchemaRegistry

EVERY_S = 1.0
AGAIN_S = 5.0
END_S = 5.0

log = logger(__name__)


class Office:
    """Opens desks for requests, and has a thread for each campaign. Safe to use from any thread."""

    def __init__(self, kafka: str, dsn: str, groups: Sequence[str], registry: SchemaRegistry) -> None:
        self._kafka, self._dsn, self._groups, self._registry = kafka, dsn, groups, registry
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._campaigns: dict[str, tuple[threading.Thread, threading.Event]] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the index up to date meanwhile; at the end, campaigns are stopped and can be resumed."""
        filler = threading.Thread(target=self._fill, name="dead-letters", daemon=True)
        filler.start()
        try:
            yield
        finally:
            self._closing.set()
            with self._lock:
                threads = [filler, *(thread for thread, _ in self._campaigns.values())]
                for _, stop in self._campaigns.values():
                    stop.set()
            for thread in threads:
                thread.join(END_S)

    @contextmanager
    def reading(self) -> Iterator[Desk]:
        """The index as it was a moment ago."""
        with connect(self._dsn) as connection:
            yield Desk(connection, self._registry)

    @contextmanager
    def desk(self) -> Iterator[FilledDesk]:
        """The index as the topics are now."""
        with desk(self._kafka, self._dsn, self._groups, self._registry) as found:
            yield found

    def start(self, run: Run, who: str) -> None:
        """Run a campaign in the background, or go on with it. `CampaignRunningError` while one sends to its groups."""
        with self._lock:
            if (known := self._campaigns.get(run.id)) and known[0].is_alive():
                raise CampaignRunningError(f"{run.id} is running here; stop it first, or wait until it has ended")
            with self.reading() as desk, alone(desk.connection, run.consumer_groups):
                pass  # one that begins in this moment all the same is told in the log
            stop = threading.Event()
            thread = threading.Thread(target=self._run, args=(run.id, who, stop), name=f"run-{run.id}", daemon=True)
            self._campaigns[run.id] = thread, stop
            thread.start()

    def stop(self, run_id: str) -> None:
        """It ends within a moment. `NoRunError` when this process does not run it."""
        with self._lock:
            if run_id not in self._campaigns:
                raise NoRunError(f"{run_id} does not run here; whoever runs it can stop it")
            self._campaigns[run_id][1].set()

    def _run(self, run_id: str, who: str, stop: threading.Event) -> None:
        try:
            with self.desk() as mine:
                run = runs.find(mine.connection, run_id)
                Campaign(mine.connection, mine.index, self._kafka, run, who).run(stop)
        except OrderflowError as error:
            log.warning("campaign.ended", run=run_id, error=f"{type(error).__name__}: {error}")

    def _fill(self) -> None:
        while not self._closing.is_set():
            try:
                with self.desk() as mine:
                    _measure(mine)
                    while not self._closing.wait(EVERY_S):
                        if mine.index.catch_up():
                            _measure(mine)
            except OrderflowError as error:
                log.warning("dead_letters.behind", error=f"{type(error).__name__}: {error}")
            except Exception:  # the failure boundary of the thread: nobody would begin it again
                log.exception("dead_letters.behind")
            self._closing.wait(AGAIN_S)


def _measure(desk: Desk) -> None:
    """Sets the gauges of letters to what the index says."""
    OPEN_LETTERS.clear()
    OLDEST_LETTER.clear()
    for group, reason, state, count, oldest_ms in reading.open_counts(desk.connection):
        OPEN_LETTERS.labels(group, reason, state).set(count)
        if state == "dead":
            OLDEST_LETTER.labels(group, reason).set(oldest_ms / 1000)
