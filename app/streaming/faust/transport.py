"""The `orderflow://` transport: aiokafka keeps the membership, librdkafka fetches, one Faust message is one batch."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from faust import Event, Schema
from faust.transport.drivers import aiokafka as base
from faust.types import TP, ConsumerMessage

from app.streaming.faust import private
from app.streaming.kafka.worker import DeliveredBatch, Worker


class BatchSchema(Schema):
    """The stream's value is the batch itself: Faust decodes nothing."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> Event:
            return Event(app, None, message.value, message.headers, message)

        return decode


class RebalanceListener(base.ConsumerRebalanceListener):
    """Runs in the membership's thread."""

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        self._thread.app.heartbeats.leaving()
        return super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        app = self._thread.app
        if app.assignor.place.url != app.membership.url:
            await private.leave(self._thread)
            return
        private.pause_fetch(self._thread, assigned)
        await super().on_partitions_assigned(assigned)
        # only now the worker knows what it owns, and may answer for it
        app.heartbeats.joined(self._thread)


class Consumer(base.Consumer):
    """Delivers the batches of the app's `Worker`; offsets, seeks and acks are the tasks' own business."""

    RebalanceListener = RebalanceListener

    async def _drain_messages(self, fetcher: Any) -> None:
        worker: Worker = self.app.worker
        try:
            while not (private.is_stopped(self) or private.is_stopped(fetcher)):
                for batch in await worker.fetch():
                    await self.callback(self._message(batch))
                await asyncio.sleep(0)
                await worker.has_room.wait()
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.app.should_stop:
                raise

    def _message(self, delivered: DeliveredBatch) -> ConsumerMessage:
        batch = delivered.batch
        generation = self.app.consumer_generation_id
        place = TP(batch.topic, batch.partition)
        return ConsumerMessage(
            batch.topic, batch.partition, batch.end, time.time(), 0, [], None, delivered, None, 0, 0, place,
            generation_id=generation,
        )  # fmt: skip

    def ack(self, message: Any) -> bool:
        """A batch is done when its checkpoint is; Faust keeps no count of them."""
        message.acked = True
        return True

    def track_message(self, message: Any) -> None:
        """Nothing to wait for at a rebalance: tasks end by themselves."""

    async def perform_seek(self) -> None:
        """Tasks say where they are."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        return False

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        return False

    async def wait_empty(self) -> None:
        """See `track_message`."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust would warn that nothing was fetched by aiokafka."""


class Transport(base.Transport):
    Consumer = Consumer
    default_port = 9092
