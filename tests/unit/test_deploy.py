"""The deployment files name only what the product has."""

import re
from pathlib import Path

import pytest

from app.cli import GROUPS
from app.cli.worker import _reachable
from app.config import PREFIX, Settings
from topologies.catalogue import NAMES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
VARIABLES = {PREFIX + name.upper() for name in Settings.__struct_fields__}


def commands() -> list[list[str]]:
    """The commands of the services that run this product's image."""
    found = re.findall(r"<<: \*(?:orderflow|worker)\n(?:    (?!command).*\n)*    command: \[(.*)\]", COMPOSE)
    return [re.findall(r'"([^"]+)"', command) for command in found]


@pytest.mark.parametrize("text", [COMPOSE, DOCKERFILE], ids=["compose", "Dockerfile"])
def test_every_setting_that_is_set_exists(text: str) -> None:
    used = set(re.findall(rf"^\s+({PREFIX}\w+)[:=]", text, re.MULTILINE))
    assert used
    assert used <= VARIABLES


def test_every_service_runs_a_command_there_is() -> None:
    assert {command[0] for command in commands()} <= GROUPS.keys()


def test_every_topology_has_a_service() -> None:
    services = re.findall(r"^  ([\w-]+):$", COMPOSE, re.MULTILINE)
    workers = [command[1] for command in commands() if command[0] == "worker"]
    assert sorted(workers) == sorted(NAMES)
    assert set(NAMES) <= set(services)


def test_the_image_runs_as_a_plain_user() -> None:
    users = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["orderflow"]


def test_a_worker_that_listens_everywhere_names_its_machine() -> None:
    assert _reachable("127.0.0.1") == "127.0.0.1"
    assert _reachable("0.0.0.0") not in ("", "0.0.0.0")
