"""Runs a campaign: sends its letters in order and in steps, watches what becomes of them, stops when they die again.

Each letter is sent once, whenever the process ends. What was sent is what stands in the redrive topic: the sender is
the only one that its consumer group has (Kafka fences any other), and before it sends anything the topic is read up to
its end. PostgreSQL's lock only makes the second of two operators learn early that there is a first.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from app.deadletters import audit, runs
from app.deadletters.alone import alone
from app.deadletters.database import Connection
from app.deadletters.errors import CampaignAbortedError, NothingComesBackError
from app.deadletters.index import Index
from app.deadletters.order import Standing, sendable
from app.deadletters.ramp import STEP_S, Ramp, failed
from app.deadletters.runs import Run, Tally
from app.deadletters.sender import Sender, SendingError
from app.streaming.letters import redrive_output
from app.streaming.record import Output

LOT = 200
LOOK_S = 0.1
AGAIN_S = 0.01
PATIENCE_S = 60.0

Announce = Callable[[Tally, float], None]


class Campaign:
    """One run of a frozen set, in this process. `index` uses the same connection."""

    def __init__(
        self, connection: Connection, index: Index, kafka: str, run: Run, who: str, step_s: float = STEP_S
    ) -> None:
        self._connection, self._index, self._kafka = connection, index, kafka
        self._run, self._who, self._step_s = run, who, step_s
        self._senders: dict[str, Sender] = {}

    def run(self, stop: threading.Event, announce: Announce = lambda tally, rate: None) -> str:
        """`finished`, or `stopped` when `stop` was set first: the same run can be gone on with.

        Raises `CampaignRunningError` while another one sends to the same groups, `CampaignAbortedError` when more than
        its share died again, `NothingComesBackError` when the workers are silent.
        """
        with alone(self._connection, self._run.consumer_groups), ExitStack() as open_:
            for group in self._run.consumer_groups:
                self._senders[group] = Sender(self._kafka, group)
                open_.callback(self._senders[group].close)
            self._index.catch_up()
            self._began()
            ended = "stopped"
            try:
                ended = self._send_all(stop, announce)
            except CampaignAbortedError:
                ended = "aborted"
                raise
            finally:
                self._ended(ended)
        return ended

    def _send_all(self, stop: threading.Event, announce: Announce) -> str:
        ramp = Ramp(self._run.rate, time.monotonic(), self._step_s)
        before = runs.tally(self._connection, self._run.id)  # what had died when it was begun again counts no more
        heard_at, heard = time.monotonic(), -1
        while not stop.wait(LOOK_S):
            tally = runs.tally(self._connection, self._run.id)
            announce(tally, ramp.rate)
            if failed(tally.died - before.died, tally.ended - before.ended, self._run.abort_share):
                raise CampaignAbortedError(_aborted(self._run, tally))
            standings = runs.standings(self._connection, self._run.id)
            ready = sendable(standings)
            if not ready and not _under_way(standings):
                return "finished"
            now = time.monotonic()
            lot = ready[: min(ramp.due(now, tally.sent, tally.decided), LOT)]
            if lot or tally.decided != heard:
                heard_at, heard = now, tally.decided
            elif not ready and now - heard_at > PATIENCE_S:
                raise NothingComesBackError(_silent(self._run, tally))
            self._send(lot, tally.sent)
            ramp.took(len(lot))
            self._index.catch_up()
        return "stopped"

    def _send(self, lot: Sequence[str], sent: int) -> None:
        """Send, then wait until the topic shows it: only what is read back counts as sent."""
        outputs: dict[str, list[Output]] = defaultdict(list)
        for letter, action in runs.contents(self._connection, self._run.id, lot):
            outputs[letter.group].append(redrive_output(letter, action, self._run.id))
        for group, lines in outputs.items():
            self._senders[group].send(lines)
        until = time.monotonic() + PATIENCE_S
        while runs.tally(self._connection, self._run.id).sent < sent + len(lot):
            if time.monotonic() > until:
                raise SendingError(
                    f"what {self._run.id} sent does not show in its topics; resume it when Kafka is well"
                )
            time.sleep(AGAIN_S)  # a transaction shows a moment after its commit
            self._index.catch_up()

    def _began(self) -> None:
        with self._connection.transaction():
            runs.set_state(self._connection, self._run.id, "running")
            letters = runs.letters_of(self._connection, self._run.id)
            action = "run" if self._run.state == "frozen" else "resume"
            audit.record(self._connection, self._who, action, letters, run=self._run.id, why=self._run.why)

    def _ended(self, state: str) -> None:
        if self._connection.closed:
            return
        with self._connection.transaction():
            runs.set_state(self._connection, self._run.id, state)
            tally = runs.tally(self._connection, self._run.id)
            audit.record(self._connection, self._who, state, [], run=self._run.id, detail=told(tally))


def told(tally: Tally) -> str:
    """In words."""
    return (
        f"{tally.sent} sent, {tally.resolved} resolved, {tally.discarded} discarded, {tally.died} died again, "
        f"{tally.returned} came before their turn"
    )


def _under_way(standings: Sequence[Standing]) -> bool:
    return any(one.state == "redriving" and one.sent for one in standings)


def _aborted(run: Run, tally: Tally) -> str:
    return (
        f"{run.id} has ended by itself: {told(tally)}, and it may be {run.abort_share:.0%}. "
        f"Look at what died again, mend it, then `orderflow dlq redrive --resume {run.id}`"
    )


def _silent(run: Run, tally: Tally) -> str:
    return (
        f"{run.id}: {told(tally)}, and nothing has come back for {PATIENCE_S:.0f} s. Look at the workers of "
        f"{', '.join(run.consumer_groups)}, then `orderflow dlq redrive --resume {run.id}`"
    )
