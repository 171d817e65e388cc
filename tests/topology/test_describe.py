"""Descriptions of the topologies: as data, as text, as a flowchart."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.topology import cli
from app.config import Settings
from app.streaming import describe
from app.streaming.topology import Topology
from topologies import catalogue

# after a wanted change: orderflow topology describe --json | python -m json.tool > tests/topology/topologies.json
SNAPSHOT = Path(__file__).with_name("topologies.json")

TOPOLOGIES = catalogue.build_all(Settings())
each_topology = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.name)

NODE = r'\w+(?:\(\["[\w.-]+"\]\)|\["[\w.-]+"\]|\[\("\w+"\)\])?'
EDGE = r'(?:-->|---|-- "[^"]+" -->|-\. [\w ]+ \.->)'
STATEMENT = re.compile(rf"  {NODE}(?: {EDGE} {NODE})?")


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["describe", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def names(topology: Topology) -> set[str]:
    """Everything that the topology reads, keeps and writes."""
    return {spec.name for spec in topology.topics()} | set(topology.tables) | {topology.group}


def test_topologies_are_as_committed() -> None:
    """What a topology reads, keeps and writes changes only on purpose: groups and tables have a history."""
    committed: list[dict[str, Any]] = json.loads(SNAPSHOT.read_text())
    for printed in (shown("--json"), shown("--format", "json")):
        assert json.loads(printed) == committed


@each_topology
def test_equal_declarations_are_described_alike(topology: Topology) -> None:
    again = catalogue.build(topology.name, Settings())
    assert describe.as_data(again) == describe.as_data(topology)


@each_topology
def test_data_and_text_name_every_topic_and_table(topology: Topology) -> None:
    data = json.dumps(describe.as_data(topology))
    text = describe.as_text(topology)
    assert {name for name in names(topology) if f'"{name}"' not in data} == set()
    assert {name for name in names(topology) if name not in re.findall(r"[\w.-]+", text)} == set()


@each_topology
def test_the_flowchart_is_well_formed_and_shows_every_topic_but_retries_and_changelogs(topology: Topology) -> None:
    """Those are the topology's own business: retries are one edge, changelogs their tables."""
    first, *statements = describe.as_mermaid(topology).splitlines()
    assert first == "flowchart LR"
    assert [line for line in statements if not STATEMENT.fullmatch(line)] == []
    labels = set(re.findall(r'\[\(?"([^"]+)"', "\n".join(statements)))
    specs = {spec.name for spec in topology.topics() if spec.kind not in {"retry", "changelog"}}
    assert labels == specs | set(topology.tables) | {topology.name}


def test_the_flowchart_of_payments() -> None:
    assert shown("payments", "--format", "mermaid") == (
        "flowchart LR\n"
        '  payments["payments"]\n'
        '  n_orders_events(["orders.events"]) --> payments\n'
        '  n_payments_commands(["payments.commands"]) --> payments\n'
        '  payments --- n_blocked[("blocked")]\n'
        '  payments --- n_parked[("parked")]\n'
        '  payments --- n_payments[("payments")]\n'
        '  payments --- n_timers[("timers")]\n'
        '  payments --> n_payments_events(["payments.events"])\n'
        '  payments --> n_alerts(["alerts"])\n'
        '  payments -- "retry after 2 s, 4 s, 8 s, 16 s, 32 s" --> payments\n'
        '  n_orderflow_payments_redrive(["orderflow-payments-redrive"]) -. redriven .-> payments\n'
        '  payments -. dead letters .-> n_orderflow_payments_dlq(["orderflow-payments-dlq"])\n'
    )


def test_the_text_of_shipping() -> None:
    lines = shown("shipping").splitlines()
    assert lines[:5] == [
        "topology shipping (group orderflow-shipping)",
        "  reads:          inventory.events, orders.events, shipping.commands",
        "  repartitions:   -",
        "  retries:        orderflow-shipping-retry-2000 (after 2 s),",
        "                  orderflow-shipping-retry-4000 (after 4 s),",
    ]
    assert lines[-4:] == [
        "  dead letters:   orderflow-shipping-dlq",
        "  redrives:       orderflow-shipping-redrive",
        "  agents:         react",
        "  start required: yes",
    ]


@each_topology
def test_a_text_fits_a_terminal(topology: Topology) -> None:
    assert max(map(len, describe.as_text(topology).splitlines())) <= 100


def test_an_unknown_topology_is_refused_with_the_names_there_are() -> None:
    result = CliRunner().invoke(cli, ["describe", "orders"])
    assert result.exit_code != 0
    names = "order-views, reconciliation, payments, inventory, shipping, fulfilment, orchestration, alerts"
    assert names in str(result.exception)
