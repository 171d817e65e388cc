"""Hostile records on every topic that a topology reads, in the running system, while good orders are placed.

`HOSTILE_RECORDS` in the environment says how many each source topic gets (60); a retry topic gets a tenth, 20 at least.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import pytest
from typer.testing import CliRunner

from app.cli import dlq
from app.config import dump
from app.serde.topics import ORDERS_EVENTS
from app.streaming.letters import Letter
from tests.e2e.hostile_traffic import Hostile, Place, Traffic, largest, records_for
from tests.e2e.whole_system import WholeSystem
from tests.waiting import PATIENCE_S
from topologies import catalogue

COUNT = int(os.environ.get("HOSTILE_RECORDS", "60"))
GOOD_ORDERS = 20
LIMIT_S = PATIENCE_S + COUNT / 10
REASONS = {"malformed", "invalid-event", "wrong-topic", "unknown-schema", "non-retryable"}


class Attack(msgspec.Struct, frozen=True):
    """What was sent to each topic, and what the system had and did meanwhile."""

    sent: dict[Place, Hostile]
    readers: dict[str, list[str]]
    processes: dict[str, int]
    orders: list[str]

    def on(self, group: str) -> dict[Place, Hostile]:
        """The records that this group reads."""
        return {place: record for place, record in self.sent.items() if group in self.readers[record.topic]}

    @property
    def groups(self) -> list[str]:
        return sorted({group for groups in self.readers.values() for group in groups})


@pytest.fixture(scope="module")
def attack(system: WholeSystem) -> Attack:
    """Everything is sent, with good orders in between."""
    readers: dict[str, list[str]] = defaultdict(list)
    counts: dict[str, int] = {}
    for topology in catalogue.build_all(system.settings):
        for topic in topology.input_topics:
            readers[topic].append(topology.group)
            counts[topic] = COUNT if topic in topology.sources else max(COUNT // 10, 20)
    processes, traffic = system.running()["processes"], Traffic(system.settings.kafka)
    with ThreadPoolExecutor(1) as customer:
        orders = [customer.submit(system.place) for _ in range(GOOD_ORDERS)]
        for topic, count in counts.items():
            for record in records_for(topic, count):
                traffic.send(record)
        traffic.flush()
    assert traffic.refused == []
    return Attack(traffic.sent, readers, processes, [order.result() for order in orders])


def differences(attack: Attack, group: str, letters: Iterator[Letter]) -> Iterator[str]:
    """Letters that are not just as the record was sent, or one too many."""
    missing = attack.on(group)
    for letter in letters:
        record = missing.pop((letter.topic, letter.partition, letter.offset), None)
        if record is None:
            yield f"{letter.id} is of no record, or its second letter: {letter.topic} {letter.offset}"
        elif (letter.key, letter.value, letter.headers) != (record.key, record.value, record.headers):
            yield f"{letter.id} is not as {record.kind} was sent to {record.topic}"
        elif letter.reason not in REASONS or letter.group != group or letter.attempt != 1:
            yield f"{letter.id}, {record.kind}: {letter.reason}, {letter.group}, {letter.attempt}"


def test_each_hostile_record_is_in_the_dlq_of_every_topology_that_reads_its_topic(
    system: WholeSystem, attack: Attack
) -> None:
    """Key, value and headers byte for byte; once."""
    traffic = Traffic(system.settings.kafka)
    found: list[str] = []
    for group in attack.groups:
        with closing(traffic.letters(group, len(attack.on(group)), LIMIT_S)) as letters:
            found += differences(attack, group, letters)
    assert found[:20] == []


def test_good_orders_go_on_and_no_process_ends(system: WholeSystem, attack: Attack) -> None:
    for order_id in attack.orders:
        assert system.wait_for(order_id, "confirmed")["version"] == 2
    assert system.running()["processes"] == attack.processes
    assert "started again" not in system.said()


def test_the_letters_are_listed_and_those_of_each_kind_are_shown(system: WholeSystem, attack: Attack) -> None:
    listed = system.ask("dlq", "list")
    assert Counter((letter["group"], letter["topic"]) for letter in listed) == Counter(
        (group, record.topic) for record in attack.sent.values() for group in attack.readers[record.topic]
    )
    ids = {(letter["topic"], letter["partition"], letter["offset"]): letter["id"] for letter in listed}
    of_kind = {(record.kind, record.topic): place for place, record in attack.sent.items()}
    shown = {kind: place for (kind, _), place in of_kind.items()}
    for kind, place in shown.items():
        record = attack.sent[place]
        result = CliRunner().invoke(dlq.cli, ["show", ids[place], "--json"], env=dump(system.settings))
        assert result.exit_code == 0, (kind, result.output)
        letter = msgspec.json.decode(result.stdout)
        assert (letter["topic"], letter["partition"], letter["offset"]) == place
        assert [name for name, _ in letter["headers"]] == [name for name, _ in record.headers]
        assert letter["original_event"] == hexadecimal(record) or "type" in letter["original_event"]
        assert letter["reason"] in REASONS
        assert letter["error"]["message"]
        assert "Error" in letter["error"]["stack"]


def hexadecimal(record: Hostile) -> dict[str, str] | None:
    return None if record.value is None else {"hex": record.value.hex()}


def test_a_value_one_byte_larger_than_the_largest_is_not_taken(system: WholeSystem) -> None:
    traffic = Traffic(system.settings.kafka)
    traffic.send(largest(ORDERS_EVENTS, over=1))
    traffic.flush()
    (refused,) = traffic.refused
    assert "MSG_SIZE_TOO_LARGE" in refused


def test_after_hostile_records_everything_is_as_the_events_say(system: WholeSystem, attack: Attack) -> None:
    report = system.ask("verify")
    assert (report["differences"], report["not_quiet"], report["blocked"]) == ([], [], [])
    assert report["dead_letters"] == sum(len(attack.on(group)) for group in attack.groups)
