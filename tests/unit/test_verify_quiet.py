"""Names everything that is under way, and nothing that is not."""

from typing import Any

import pytest

from app.verify.changelogs import key_parts
from app.verify.quiet import SOURCES, Standing, inputs, not_quiet


def task(partition: int = 0, **changed: Any) -> dict[str, Any]:
    calm = {"partition": partition, "state": "active", "in_flight": 0, "timers": 0, "parked": 0, "dirty": False}
    return {**calm, **changed}


def standing(**changed: Any) -> Standing:
    calm: dict[str, Any] = {
        "unpublished": 0,
        "captured": True,
        "groups": {topology: {(topic, 0): 5 for topic in topics} for topology, topics in SOURCES.items()},
        "behind": {topology: set() for topology in SOURCES},
        "open": set(),
        "tasks": {topology: [task()] for topology in SOURCES},
        "silent": [],
    }
    return Standing(**{**calm, **changed})


def with_task(topology: str, changed: dict[str, Any]) -> Standing:
    return standing(tasks={**standing().tasks, topology: [changed]})


def test_a_system_with_nothing_under_way_is_quiet() -> None:
    assert not_quiet(standing()) == []


def test_events_that_were_not_published_are_named() -> None:
    assert not_quiet(standing(unpublished=3)) == ["the relay has yet to publish 3 events"]


def test_what_was_not_captured_is_named() -> None:
    assert not_quiet(standing(captured=False)) == ["change data capture has yet to publish events"]


def test_an_open_transaction_is_named() -> None:
    assert not_quiet(standing(open={("orders.events", 2)})) == ["orders.events[2] has an open transaction"]


def test_a_topic_that_was_not_read_to_its_end_is_named() -> None:
    behind = {**standing().behind, "payments": {("orderflow-payments-retry-2000", 1)}}
    assert not_quiet(standing(behind=behind)) == ["payments has yet to read orderflow-payments-retry-2000[1]"]


def test_a_partition_without_a_worker_is_named() -> None:
    tasks = {**standing().tasks, "shipping": []}
    assert not_quiet(standing(tasks=tasks)) == ["shipping[0] has no worker"]


def test_a_worker_that_does_not_answer_is_named() -> None:
    assert not_quiet(standing(silent=["worker a@b:1 of payments: gone"])) == ["worker a@b:1 of payments: gone"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (task(state="restoring"), "payments[0] is restoring"),
        (task(in_flight=2), "payments[0] has 2 records in flight"),
        (task(timers=1), "payments[0] waits for 1 timers"),
        (task(parked=4), "payments[0] has 4 parked records"),
        (task(dirty=True), "payments[0] has effects that are not committed"),
    ],
)
def test_a_task_with_something_under_way_is_named(changed: dict[str, Any], named: str) -> None:
    assert not_quiet(with_task("payments", changed)) == [named]


def test_records_parked_behind_a_dead_letter_are_quiet() -> None:
    assert not_quiet(with_task("payments", task(blocked=1, parked_behind_dead=4))) == []


def test_a_topology_reads_its_sources_and_what_it_writes_for_itself() -> None:
    topics = dict.fromkeys(
        [
            "orders.events",
            "orderflow-payments-retry-2000",
            "orderflow-payments-dlq",
            "orderflow-order-views-customers-repartition",
            "orderflow-order-views-order_summaries-changelog",
        ],
        4,
    )
    assert inputs("payments", topics) == ["orders.events", "payments.commands", "orderflow-payments-retry-2000"]
    assert inputs("order-views", topics)[-1] == "orderflow-order-views-customers-repartition"


def test_keys_of_rows_are_taken_apart() -> None:
    assert key_parts(b"order-1", 1) == ["order-1"]
    assert key_parts(b"\x00\x0517850order-1", 2) == ["17850", "order-1"]
