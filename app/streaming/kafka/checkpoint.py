"""Makes the effects of a task durable together.

1 produce outputs and changelog records, 2 send the source offsets that have moved, 3 commit the transaction and ask
until its outcome is known, 4 write the rows to RocksDB. A crash between 3 and 4 is mended by the restore; before 3,
nothing happened.
"""

import asyncio
import time
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from app.streaming.kafka.limited import let_go, limited
from app.streaming.state import Snapshot

SLICE = 2000
REQUEST_S = 15.0
ASK_S = 4.0
HANGS_S = 2.0  # a client that is that far past its own limit does not come back
OFFSETS_S = 20.0  # a coordinator that moves is back sooner; less than the timeout of the transaction
UNKNOWN_S = 120.0
AGAIN_S = 0.1


class Transactions:
    """The transactions of one owner of one task: after any error the owner takes a new one, this is never mended.

    Once `leaving` is set, a coordinator that moves is waited for no longer than one call takes.
    """

    def __init__(
        self, producer: Producer, offsets: Consumer, partition: int, metadata: str, leaving: asyncio.Event | None = None
    ) -> None:
        self._held = [producer]
        self._offsets, self._partition, self._metadata = offsets, partition, metadata
        self._leaving = leaving or asyncio.Event()

    @property
    def _producer(self) -> Producer:
        return self._held[0]

    def begin_ownership(self) -> None:
        """Fence the task's earlier owners and end what they left open (blocking)."""
        self._producer.init_transactions(REQUEST_S)

    def retire(self) -> None:
        """Never used again; what a transaction left open is ended by the next owner, or in time."""
        let_go(self._held)

    async def commit(self, snapshot: Snapshot) -> None:
        """Steps 1 to 3; raises `KafkaException` when the task must go back to its last checkpoint."""
        self._producer.begin_transaction()
        await self._produce(snapshot)
        await self._finish(snapshot.positions)

    async def commit_positions(self, positions: dict[str, int]) -> None:
        """A checkpoint of positions alone."""
        self._producer.begin_transaction()
        await self._finish(positions)

    async def _produce(self, snapshot: Snapshot) -> None:
        count = 0
        for output in snapshot.outputs:
            self._send(
                output.topic,
                output.value,
                output.key,
                output.partition,
                timestamp=output.timestamp_ms,
                headers=list(output.headers),
            )
            count += 1
            if count % SLICE == 0:  # the loop's other work goes on meanwhile
                await asyncio.sleep(0)
        for table, rows in snapshot.rows:
            for key, data in rows.items():
                self._send(table.changelog, data, key, self._partition)
                count += 1
                if count % SLICE == 0:
                    await asyncio.sleep(0)

    async def _finish(self, positions: dict[str, int]) -> None:
        if positions:  # timers and parked records may be all there was to handle
            await self._add_offsets(positions)
        await limited(self._commit, UNKNOWN_S + REQUEST_S)

    async def _add_offsets(self, positions: dict[str, int]) -> None:
        """Ask again within the same transaction, as long as the client says that it may.

        In short calls, for some hang: a client may not look for another coordinator when its own is gone (librdkafka's
        issue 5511).
        """
        until = time.monotonic() + OFFSETS_S
        while True:
            try:
                await limited(partial(self._send_offsets, positions), ASK_S + HANGS_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until or self._leaving.is_set():
                    raise
            else:
                return
            await asyncio.sleep(AGAIN_S)

    def _send(self, topic: str, value: bytes | None, key: bytes | None, partition: int, **more: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition, **more)
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                if error.args[0].code() == KafkaError._FATAL:
                    self._producer.begin_transaction()  # raises what the fatal error was, such as that it is fenced
                raise
            else:
                return

    def _send_offsets(self, positions: dict[str, int]) -> None:
        offsets = [TopicPartition(t, self._partition, o, self._metadata) for t, o in positions.items()]
        # generation -1 of a consumer that never joined: fencing is by the transactional id, not by the group
        self._producer.send_offsets_to_transaction(offsets, self._offsets.consumer_group_metadata(), ASK_S)

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
                return
