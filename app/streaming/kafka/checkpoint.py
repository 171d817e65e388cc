"""Makes the effects of a task durable together.

1 produce outputs and changelog records, 2 send the source offsets that have moved, 3 commit the transaction and ask
until its outcome is known, 4 write the rows to RocksDB. A crash between 3 and 4 is mended by the restore; before 3,
nothing happened.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from functools import partial

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from app.librdkafka.owning import begin_ownership
from app.streaming.kafka.client import rows_sender
from app.streaming.kafka.limited import Limit, let_go, limited
from app.streaming.kafka.messages import StoredRows
from app.streaming.record import Output
from app.streaming.state import Snapshot

SLICE = 2000
REQUEST_S = 15.0
ASK_S = 4.0
HANGS_S = 2.0  # a client that is that far past its own limit does not come back
OFFSETS_S = 20.0  # a coordinator that moves is back sooner; less than the timeout of the transaction
UNKNOWN_S = 120.0
COMMIT_S = UNKNOWN_S + REQUEST_S  # until the last call of a commit is back
AGAIN_S = 0.1
FULL_S = 0.05  # the client's queue is full: until some of it is sent


class Transactions:
    """The transactions of one owner of one task: after any error the owner takes a new one, this is never mended.

    Once `leaving` is set, a coordinator that moves is waited for no longer than one call takes.
    """

    def __init__(
        self, producer: Producer, offsets: Consumer, partition: int, metadata: str, leaving: asyncio.Event | None = None
    ) -> None:
        self._held, self._send_rows = [producer], rows_sender()
        self._partition, self._metadata = partition, metadata
        # generation -1 of a consumer that never joined: fencing is by the transactional id, not by the group
        self._group = offsets.consumer_group_metadata()
        self._begun = False
        self._leaving = leaving or asyncio.Event()

    @property
    def _producer(self) -> Producer:
        return self._held[0]

    def begin_ownership(self, topic: str) -> None:
        """Fence the task's earlier owners and end what they left open (blocking). `topic` is one that it writes to."""
        begin_ownership(self._producer, topic, REQUEST_S)

    def retire(self) -> None:
        """Never used again; what a transaction left open is ended by the next owner, or in time."""
        let_go(self._held)

    async def commit(self, snapshot: Snapshot) -> None:
        """Steps 1 to 3; raises `KafkaException` when the task must go back to its last checkpoint."""
        self._begin()
        await self._produce(snapshot)
        await self._finish(snapshot.positions)

    async def commit_positions(self, positions: dict[str, int]) -> None:
        """A checkpoint of positions alone."""
        self._begin()
        await self._finish(positions)

    def _begin(self) -> None:
        if not self._begun:
            self._producer.begin_transaction()
        self._begun = False

    async def _produce(self, snapshot: Snapshot) -> None:
        """In slices: the loop's other work goes on meanwhile."""
        for count, output in enumerate(snapshot.outputs, 1):
            with self._told_if_fatal():
                self._send(output)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        for table, changed in snapshot.rows:
            rows = list(changed.items())
            for begin in range(0, len(rows), SLICE):
                with self._told_if_fatal():
                    self._send_some(table.changelog, rows[begin : begin + SLICE])
                await asyncio.sleep(0)

    async def _finish(self, positions: dict[str, int]) -> None:
        """In one call: on its way back each waits for the loop and for the interpreter's lock."""
        limit = Limit(ASK_S + HANGS_S if positions else COMMIT_S)
        await limited(partial(self._offsets_and_commit, positions, limit), limit)

    def _offsets_and_commit(self, positions: dict[str, int], limit: Limit) -> None:
        if positions:  # timers and parked records may be all there was to handle
            self._add_offsets(positions, limit)
        limit.extend(COMMIT_S)
        self._commit()

    def _add_offsets(self, positions: dict[str, int], limit: Limit) -> None:
        """Ask again within the same transaction, as long as the client says that it may.

        In short calls, for some hang: a client may not look for another coordinator when its own is gone (librdkafka's
        issue 5511).
        """
        offsets = [TopicPartition(t, self._partition, o, self._metadata) for t, o in positions.items()]
        until = time.monotonic() + OFFSETS_S
        while True:
            try:
                self._producer.send_offsets_to_transaction(offsets, self._group, ASK_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until or self._leaving.is_set():
                    raise
            else:
                return
            limit.extend(AGAIN_S + ASK_S + HANGS_S)
            time.sleep(AGAIN_S)

    def _send(self, output: Output) -> None:
        while True:
            try:
                self._producer.produce(
                    output.topic,
                    output.value,
                    output.key,
                    output.partition,
                    timestamp=output.timestamp_ms,
                    headers=list(output.headers),
                )
            except BufferError:
                self._producer.poll(FULL_S)
            else:
                return

    def _send_some(self, changelog: str, rows: StoredRows) -> None:
        while left := self._send_rows(self._producer, changelog, self._partition, rows):
            self._producer.poll(FULL_S)
            rows = left

    @contextlib.contextmanager
    def _told_if_fatal(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            if error.args[0].code() == KafkaError._FATAL:
                self._producer.begin_transaction()  # raises what the fatal error was, such as that it is fenced
            raise

    def _commit(self) -> None:
        """Asks until the outcome is known."""
        until = time.monotonic() + UNKNOWN_S
        while True:
            try:
                self._producer.commit_transaction(REQUEST_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise
            else:
                break
        # the next one, of which brokers hear with its first record: the client holds up this process while it begins
        with contextlib.suppress(KafkaException):  # the next checkpoint meets it
            self._producer.begin_transaction()
            self._begun = True
