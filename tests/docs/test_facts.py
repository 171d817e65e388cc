"""What pages list is what there is."""

import re
import tomllib
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from app.cli import GROUPS
from app.config import Settings
from app.streaming.topology import Topology
from tests.docs.pages import ROOT, pages
from topologies import catalogue

README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
INNER = {"blocked", "parked", "timers"}


def first_cells(text: str, heading: str) -> list[str]:
    """The code in the first cells of the table under a heading (up to the next heading)."""
    section = text.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]*)`", section, re.MULTILINE)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def subcommands(module: str) -> set[str]:
    """None of a module that is one command."""
    command = get_command(import_module(f"app.cli.{module}").cli)
    return set(command.commands) if isinstance(command, TyperGroup) else set()


def test_the_table_of_commands_has_every_command_with_its_subcommands() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for cell in first_cells(README, "## Commands"):
        name, _, words = cell.partition(" ")
        named[name] |= {word for word in words.partition(" ")[0].split("\\|") if word.islower()}
    assert named == {name: subcommands(module) for name, (module, _) in GROUPS.items()} | {"orderflow": set()}


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["embedded"]
    names = {re.split(r"[\[=<>~]", dependency)[0] for dependency in declared}
    assert set(first_cells(ARCHITECTURE, "## Dependencies")) == names


def test_every_folder_of_the_product_is_described() -> None:
    packages = {f"app/{path.parent.name}" for path in (ROOT / "app").glob("*/__init__.py")}
    cells = first_cells(ARCHITECTURE.split("## The way of one order")[0], "## The parts")
    assert set(cells) == packages | {"topologies", "schemas"}


@pytest.mark.parametrize("topology", catalogue.build_all(Settings()), ids=lambda topology: topology.name)
def test_the_table_of_topologies_says_what_each_one_has(topology: Topology) -> None:
    [row] = re.findall(rf"^\| `{topology.name}` \|(.*)\|$", ARCHITECTURE, re.MULTILINE)
    reads, tables, writes = row.split(" | ")
    assert set(re.findall("`(.*?)`", tables)) == set(topology.tables) - INNER
    assert set(re.findall("`(.*?)`", writes)) == set(topology.outputs)
    read, four = set(topology.sources), {topic for topic in topology.sources if topic.endswith(".events")}
    named = {topic for topic in read if not topic.startswith("orderflow-")}
    told = set(re.findall("`(.*?)`", reads)) | (four if "the four event topics" in reads else set())
    assert told == named
