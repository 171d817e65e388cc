"""Makes the effects of a task durable together.

1 produce outputs and changelog records, 2 send the source offsets, 3 commit the transaction and ask until its outcome
is known, 4 write the rows to RocksDB. A crash between 3 and 4 is mended by the restore; before 3, nothing happened.
"""

import asyncio
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from app.streaming.record import Output
from app.streaming.state import Snapshot

SLICE = 2000
REQUEST_S = 15.0
UNKNOWN_S = 120.0


class Transactions:
    """The transactions of one owner of one task: after any error the owner takes a new one, this is never mended."""

    def __init__(self, producer: Producer, offsets: Consumer, partition: int, metadata: str) -> None:
        self._producer, self._offsets, self._partition, self._metadata = producer, offsets, partition, metadata

    def begin_ownership(self) -> None:
        """Fence the task's earlier owners and end what they left open (blocking)."""
        self._producer.init_transactions(REQUEST_S)

    async def commit(self, snapshot: Snapshot) -> None:
        """Steps 1 to 3; raises `KafkaException` when the task must go back to its last checkpoint."""
        self._producer.begin_transaction()
        await self._produce(snapshot)
        await asyncio.get_running_loop().run_in_executor(None, self._finish, snapshot.positions)

    def commit_positions(self, positions: dict[str, int]) -> None:
        """A checkpoint of positions alone (blocking)."""
        self._producer.begin_transaction()
        self._finish(positions)

    async def _produce(self, snapshot: Snapshot) -> None:
        count = 0
        for output in snapshot.outputs:
            self._send(output)
            count += 1
            if count % SLICE == 0:  # the loop's other work goes on meanwhile
                await asyncio.sleep(0)
        for table, rows in snapshot.rows:
            for key, data in rows.items():
                self._send(Output(table.changelog, key, data, partition=self._partition))
                count += 1
                if count % SLICE == 0:
                    await asyncio.sleep(0)

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
                self._producer.poll(0.05)
            else:
                return

    def _finish(self, positions: dict[str, int]) -> None:
        offsets = [TopicPartition(t, self._partition, o, self._metadata) for t, o in positions.items()]
        # generation -1 of a consumer that never joined: fencing is by the transactional id, not by the group
        self._producer.send_offsets_to_transaction(offsets, self._offsets.consumer_group_metadata(), REQUEST_S)
        until = time.monotonic() + UNKNOWN_S
        while True:
            try:
                self._producer.commit_transaction(REQUEST_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise
            else:
                return
