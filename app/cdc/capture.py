"""Sets up what captures the outbox (role, slot, connector), says how it is, and takes it down."""

import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from app.cdc import database, missing, publishing
from app.cdc.connect import Connect, ConnectorStatus
from app.cdc.connector import connector, heartbeat_topic
from app.cdc.database import Slot
from app.config import Settings
from app.embedded.connect import GROUP
from app.errors import RefusedError, SetupError, TransientError
from app.eventstore.outbox import Connection

LIMIT_S: Final = 60.0
LOOK_S: Final = 0.05
# until then, that it has failed may be of before it was changed or restarted
SETTLED_S: Final = 5.0


class CaptureFailedError(TransientError):
    """The connector does not run; its trace says why."""


class CaptureInUseError(RefusedError):
    """Change data capture publishes the outbox; `orderflow outbox use relay` first."""


class CaptureStatus(msgspec.Struct, frozen=True, kw_only=True):
    """All that there is to see. `problems`: what keeps it from being well."""

    publisher: publishing.Publishing
    connector: ConnectorStatus | None
    slot: Slot | None
    problems: tuple[str, ...]


class Capture:
    """Over a connection of its own to PostgreSQL; `name` is that of everything it sets up."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.name = database.name_of(connection)
        self.connect = Connect(settings.connect, self.name)
        self._settings, self._connection = settings, connection

    def set_up(self) -> None:
        """Safe to repeat. The connector runs when it returns; a `CaptureFailedError` has Connect's own trace."""
        self.connect.check()
        database.check_limits(self._connection)
        state = publishing.read(self._connection).state
        slot = database.slot_of(self._connection, self.name)
        if state != "relay" and (slot is None or slot.lost):
            raise CaptureInUseError(
                "its slot is gone while it publishes the outbox: `orderflow outbox use relay --without-connect` first"
            )
        password = secrets.token_hex(16)
        database.ensure_role(self._connection, self.name, password)
        if database.ensure_slot(self._connection, self.name):
            self._forget_offsets()
        self._make_heartbeat_topic()
        self.connect.configure(connector(self._settings.postgres, self.name, password))
        if state != "to_cdc":  # there the handover resumes it, when the relay has ended
            self.resume()

    def take_down(self) -> None:
        """Connector, slot and role are gone when it returns; refused while the outbox depends on them."""
        if publishing.read(self._connection).state != "relay":
            raise CaptureInUseError("change data capture publishes the outbox; `orderflow outbox use relay` first")
        self.connect.stop()
        self.connect.delete()
        database.drop_slot(self._connection, self.name)
        database.drop_role(self._connection, self.name)

    def resume(self) -> None:
        """Returns when the connector runs and has a place from which it would go on."""
        self.connect.resume()
        self.connect.restart()
        settled = time.monotonic() + SETTLED_S
        self._wait("the connector does not run", lambda: self._runs(settled))

    def stop(self) -> None:
        """Returns when nobody reads the slot; nobody will before `resume`."""
        self.connect.stop()
        self._wait("the connector does not stop", self._has_stopped)

    def shut_out(self) -> None:
        """Whether it runs, hangs or is dead, the connector publishes nothing from here on; `set_up` makes it anew."""
        # the slot first: a task that starts again has a transactional id that is good again, and nothing to read
        database.drop_slot(self._connection, self.name)
        missing.shut_out(self._settings.kafka, f"{GROUP}-{self.name}-0")  # the id of a source task, as Connect makes it

    def publish_missing(self) -> int:
        """How many events had still to be captured; they are in the topic now."""
        return missing.publish_missing(self._connection, self._settings.kafka, f"{GROUP}-missing")

    def status(self) -> CaptureStatus:
        publisher = publishing.read(self._connection)
        slot = database.slot_of(self._connection, self.name)
        problems = []
        try:
            status = self.connect.status()
        except TransientError as error:
            status = None
            problems.append(str(error))
        if status is not None and not status.running:
            problems.append(f"the connector is {status.state}")
        if slot is None or slot.lost:
            problems.append("its slot is lost" if slot else "there is no slot; run `orderflow cdc up`")
        elif not slot.active:
            problems.append("nobody reads its slot")
        if publisher.state in ("to_cdc", "to_relay"):
            problems.append("a handover was begun and is not finished; run `orderflow outbox use` again")
        return CaptureStatus(publisher=publisher, connector=status, slot=slot, problems=tuple(problems))

    def _runs(self, settled: float) -> bool:
        status = self.connect.status()
        if status is not None and status.state == "FAILED" and time.monotonic() > settled:
            raise CaptureFailedError(f"the connector has failed; Connect says:\n{status.trace}")
        return status is not None and status.running and self.connect.has_offsets()

    def _has_stopped(self) -> bool:
        status = self.connect.status()
        if status is None:
            raise SetupError("there is no connector; run `orderflow cdc up`")
        slot = database.slot_of(self._connection, self.name)
        return status.stopped and not (slot and slot.active)

    def _forget_offsets(self) -> None:
        """What a connector of this name remembers is of a slot that is gone."""
        if self.connect.status() is not None:
            self.stop()
            self.connect.forget_offsets()

    def _make_heartbeat_topic(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._settings.kafka, "log_level": 0})
        topic = NewTopic(
            heartbeat_topic(self.name), 1, self._settings.replication, config={"cleanup.policy": "compact"}
        )
        try:
            admin.create_topics([topic])[topic.topic].result(LIMIT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise SetupError(f"Kafka does not make {topic.topic}: {error}; look at the brokers") from None

    @staticmethod
    def _wait(what: str, done: Callable[[], bool]) -> None:
        until = time.monotonic() + LIMIT_S
        while not done():
            if time.monotonic() > until:
                raise CaptureFailedError(f"{what} after {LIMIT_S:.0f} s; look at `orderflow cdc status`")
            time.sleep(LOOK_S)
