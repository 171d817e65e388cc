"""Reads the topics into cases: the published events, the services' answers, the dead letters."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from app.verify.decoding import Decoder
from app.verify.kafka import KafkaReader
from app.verify.model import ORDERS, TOPICS, Case, Difference, Event, Record
from app.verify.quiet import SOURCES, group_of

OUTCOME = "__orderflow.outcome"
COMMANDS = ("fulfilment.commands", "payments.commands", "inventory.commands", "shipping.commands")
# of a choreographed order, the step that an operator settles with each
SETTLED = {"SettleRefund": "payment", "SettleStock": "stock", "SettleDelivery": "delivery"}
NOWHERE: Record = ("", -1, -1)
# Of an answer, what no check looks at: most of what a case would hold.
UNUSED = {"raw", "items", "customer_id", "correlation_id", "causation_id", "occurred_at", "fulfilment"}


class Letters:
    """The dead letters of every group: which records they are, and which keys they have.

    One that was sent back and is through is none any more; a record that died again is in another letter. What a
    discarded one was to do is not done, so it stays.
    """

    def __init__(self) -> None:
        self.groups_of_record: dict[Record, set[str]] = defaultdict(set)
        self._standing: dict[str, tuple[bytes | None, str]] = {}

    @property
    def count(self) -> int:
        return len(self._standing)

    @property
    def groups_of_key(self) -> dict[bytes, set[str]]:
        found: dict[bytes, set[str]] = defaultdict(set)
        for key, group in self._standing.values():
            if key is not None:
                found[key].add(group)
        return found

    def read(self, kafka: KafkaReader) -> None:
        for message in kafka.records([f"{group_of(topology)}-dlq" for topology in SOURCES]):
            self.add(message)

    def add(self, message: Any) -> None:
        """A letter, or what became of one; that stands behind it in the same partition."""
        group, headers = message.topic().removesuffix("-dlq"), message.headers() or []
        if _is_outcome(headers):
            said = dict(headers)
            if said[OUTCOME] in {b"resolved", b"dead"}:
                self._standing.pop(said["__orderflow.letter"].decode(), None)
            return
        self.groups_of_record[_origin(dict(headers))].add(group)
        self._standing[f"{message.topic()}:{message.partition()}:{message.offset()}"] = message.key(), group


class Events:
    """Sorts the records of the events' topics into the cases of their orders."""

    def __init__(self, decoder: Decoder, cases: dict[str, Case], letters: Letters, void: set[Record]) -> None:
        """Without the records of `void`."""
        self._decoder, self._cases, self._letters, self._void = decoder, cases, letters, void
        self._stored = set(cases)

    def read(self, kafka: KafkaReader) -> list[Difference]:
        """Fills the cases; the records that are no events and are missing among the dead letters."""
        found: list[Difference] = []
        for message in kafka.records(TOPICS):
            record = message.topic(), message.partition(), message.offset()
            if record in self._void:
                continue
            event = self._event(record, message)
            if event is None:
                found += self._unread(record)
            else:
                self._sort(record[0], event)
        for message in kafka.records(COMMANDS):
            command = self._decoder.decode(message.topic(), message.value())
            if command is not None and command["order_id"] in self._cases:
                self._cases[command["order_id"]].settled |= settled_by(command)
        dead = self._letters.groups_of_key
        for order_id, case in self._cases.items():
            case.dead_in = dead.get(order_id.encode(), set())
        return found

    def _event(self, record: Record, message: Any) -> Event | None:
        """None: bytes that are no event, an event under another key, or a dead letter of no stored order."""
        event = self._decoder.decode(record[0], message.value())
        if event is None or message.key() != event["order_id"].encode():
            return None
        known = event["order_id"] in self._stored
        return event if known or record not in self._letters.groups_of_record else None

    def _sort(self, topic: str, event: Event) -> None:
        case = self._cases.setdefault(event["order_id"], Case(order_id=event["order_id"]))
        if topic == ORDERS:
            # its fields are those of the stored event, or its bytes differ and tell so
            case.published.append({name: event[name] for name in ("event_id", "order_id", "version", "type", "raw")})
        else:
            answer = {name: value for name, value in event.items() if name not in UNUSED}
            case.answers.setdefault(topic, []).append(answer)

    def _unread(self, record: Record) -> Iterator[Difference]:
        readers = {group_of(topology) for topology, sources in SOURCES.items() if record[0] in sources}
        missing = readers - self._letters.groups_of_record.get(record, set())
        if missing:
            place = f"{record[0]}[{record[1]}]@{record[2]}"
            yield Difference("letter-missing", place, "a dead letter of each reader", f"none of {sorted(missing)}")


def settled_by(command: Event) -> set[str]:
    """The step that an operator skipped, or says was done by hand: such commands are sent only where one waits."""
    if command["type"] in {"SkipStep", "ResolveStep"}:
        return {command["step"]}
    if command["type"] in SETTLED and command["action"] != "retry":
        return {SETTLED[command["type"]]}
    return set()


def _is_outcome(headers: Sequence[tuple[str, bytes]]) -> bool:
    """A letter's headers begin with those of its record, whatever they are, and end with ours."""
    return bool(headers) and headers[0][0] == OUTCOME and headers[-1][0] != "__orderflow.headers"


def _origin(headers: dict[str, bytes]) -> Record:
    """Where the record stood that became the letter (KIP-1034); of a header given twice the last counts."""
    topic, partition, offset = (
        headers.get(f"__streams.errors.{name}", b"") for name in ("topic", "partition", "offset")
    )
    try:
        return topic.decode(), int(partition), int(offset)
    except ValueError:
        return NOWHERE
