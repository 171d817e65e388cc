"""The compose file names only what the product has, and leaves out nothing of it."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import GROUPS
from app.config import PREFIX, Settings, dump
from app.embedded import connect, jars, postgres
from tests.unit.compose_file import read
from topologies.catalogue import NAMES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = read(ROOT / "docker-compose.yml")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
PAGE = (ROOT / "docs" / "deploy.md").read_text()

SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "orderflow"}
WORKERS = {name: service for name, service in OURS.items() if service["command"][0] == "worker"}

VARIABLES = {PREFIX + name.upper() for name in Settings.__struct_fields__}
OF_THE_IMAGE = set(re.findall(rf"({PREFIX}\w+)=", DOCKERFILE))
# a replica's name and URL come from its container; compose has one broker
OF_NONE = {f"{PREFIX}NAME", f"{PREFIX}ADVERTISED_URL", f"{PREFIX}REPLICATION"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_every_setting_from_compose_or_the_image_and_no_other(name: str) -> None:
    set_here = {variable for variable in OURS[name]["environment"] if variable.startswith(PREFIX)}
    assert set_here.isdisjoint(OF_THE_IMAGE)
    assert set_here | OF_THE_IMAGE == VARIABLES - OF_NONE


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_there_is(name: str) -> None:
    group, *arguments = OURS[name]["command"]
    module = importlib.import_module(f"app.cli.{GROUPS[group][0]}")
    asked = CliRunner().invoke(module.cli, [*arguments, "--help"])
    assert asked.exit_code == 0, asked.output


def test_every_topology_has_a_service_of_its_name() -> None:
    assert {name: service["command"][1] for name, service in WORKERS.items()} == {name: name for name in NAMES}


@pytest.mark.parametrize("name", WORKERS)
def test_replicas_of_a_worker_share_nothing(name: str) -> None:
    service = WORKERS[name]
    assert [volume for volume in service["volumes"] if ":" in volume] == []
    assert service.keys().isdisjoint({"ports", "container_name", "hostname"})


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert (wanted["condition"], SERVICES[other]["restart"]) == ("service_completed_successfully", "no")


def test_a_password_must_be_given() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert text.count("POSTGRES_PASSWORD: ") == 1
    assert re.findall(r"\$\{?\w*PASSWORD(..)", text) == [":?", ":?"]


def test_no_port_is_open_to_other_machines_unasked() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["${API_ADDRESS:-127.0.0.1:8080}:8080"]


def test_postgres_is_set_as_the_embedded_one_where_the_product_relies_on_it() -> None:
    relied_on = {**postgres.ROLE_SETTINGS, "wal_level": postgres.SETTINGS["wal_level"]}
    assert {f"--{name}={value}" for name, value in relied_on.items()} <= set(SERVICES["postgres"]["command"])


def test_connect_is_set_as_the_embedded_one_and_is_as_new() -> None:
    service = SERVICES["connect"]
    given = service["environment"]
    names = {"GROUP_ID": "group.id", "CONNECT_EXACTLY_ONCE_SOURCE_SUPPORT": "exactly.once.source.support"}
    names |= {f"{what.upper()}_STORAGE_TOPIC": f"{what}.storage.topic" for what in ("config", "offset", "status")}
    names["CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS"] = "scheduled.rebalance.max.delay.ms"
    assert {name: given[name] for name in names} == {name: str(connect.SETTINGS[ours]) for name, ours in names.items()}
    assert [service["image"].rpartition(":")[2]] == [root.rpartition(":")[2] for root in jars.ROOTS["debezium"]]


def test_postgres_limits_what_a_slot_keeps() -> None:
    assert any(word.startswith("--max_slot_wal_keep_size=") for word in SERVICES["postgres"]["command"])


def test_the_page_has_every_setting_with_its_default() -> None:
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \| (?:`([^`]*)`)? ?\|", PAGE, re.MULTILINE)
    assert dict(rows) == dump(Settings())
    assert len(rows) == len(VARIABLES)
