"""`orderflow schemas check` is red when a locked schema changes and when a new version breaks an old one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import schemas
from app.errors import SetupError
from app.serde.history import lock_new, problems
from app.serde.lock import DIRECTORY, LOCK, load_registry, read_lock

NAME = "OrderCancelled"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DIRECTORY, tmp_path / "schemas"))


def change(directory: Path, version: int, *added: dict[str, Any], drop: str = "") -> Path:
    """Writes version `version` of a schema: the first one with `added` fields and without `drop`."""
    schema = json.loads((directory / f"{NAME}.v1.avsc").read_text())
    schema["fields"] = [field for field in schema["fields"] if field["name"] != drop] + list(added)
    path = directory / f"{NAME}.v{version}.avsc"
    path.write_text(json.dumps(schema))
    return path


def test_the_committed_schemas_are_as_they_were_locked() -> None:
    assert problems(DIRECTORY) == []


def test_formatting_of_a_locked_schema_may_change(directory: Path) -> None:
    change(directory, 1)
    assert problems(directory) == []


def test_a_changed_locked_schema_is_red_and_not_loaded(directory: Path) -> None:
    change(directory, 1, {"name": "note", "type": "string", "default": ""})
    (problem,) = problems(directory)
    assert problem.startswith(f"{NAME}.v1.avsc was changed after it was locked")
    with pytest.raises(SetupError, match="was changed after it was locked"):
        load_registry(directory)


def test_a_deleted_locked_schema_is_red(directory: Path) -> None:
    (directory / f"{NAME}.v1.avsc").unlink()
    (problem,) = problems(directory)
    assert "is locked but missing" in problem


def test_a_new_schema_is_red_until_it_is_locked(directory: Path) -> None:
    path = change(directory, 2, {"name": "note", "type": "string", "default": ""})
    assert problems(directory) == [f"{path.name} is not in the lock; add it by `orderflow schemas lock`"]
    (locked,) = lock_new(directory)
    assert (locked.file, locked.version) == (path.name, 2)
    assert problems(directory) == []
    assert load_registry(directory).newest(locked.subject).version == 2


def test_ids_never_change_when_schemas_are_added(directory: Path) -> None:
    before = read_lock(directory)
    change(directory, 2, {"name": "note", "type": "string", "default": ""})
    lock_new(directory)
    after = read_lock(directory)
    assert {number: after[number] for number in before} == before
    assert set(after) - set(before) == {max(before) + 1}


def test_a_breaking_version_is_not_locked(directory: Path) -> None:
    change(directory, 2, {"name": "note", "type": "string"})
    with pytest.raises(SetupError, match=r"v2\.avsc against OrderCancelled\.v1\.avsc.*note"):
        lock_new(directory)
    assert len(read_lock(directory)) == len(read_lock(DIRECTORY))


def test_a_version_must_fit_all_earlier_ones_not_only_the_last(directory: Path) -> None:
    change(directory, 2, {"name": "note", "type": "string", "default": ""})
    lock_new(directory)
    change(directory, 3, {"name": "note", "type": "bytes", "default": ""}, drop="reason")
    with pytest.raises(SetupError) as refused:
        lock_new(directory)
    assert f"{NAME}.v1.avsc" in str(refused.value)
    assert f"{NAME}.v2.avsc" in str(refused.value)


def test_a_lock_smuggled_past_the_check_is_red(directory: Path) -> None:
    path = change(directory, 2, {"name": "note", "type": "string", "default": ""})
    lock_new(directory)
    lock = json.loads((directory / LOCK).read_text())
    number = next(number for number, line in lock.items() if line["file"] == path.name)
    lock[number]["version"] = 3
    (directory / LOCK).write_text(json.dumps(lock))
    (problem,) = problems(directory)
    assert "versions [1, 3]" in problem


def test_a_schema_that_no_topic_carries_is_refused(directory: Path) -> None:
    schema = {"type": "record", "name": "Rumour", "namespace": "orderflow.orders", "fields": []}
    (directory / "Rumour.v1.avsc").write_text(json.dumps(schema))
    with pytest.raises(SetupError, match="no topic carries"):
        lock_new(directory)


def test_the_command_ends_with_1_when_it_finds_something(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "DIRECTORY", directory)
    assert CliRunner().invoke(schemas.cli, ["check"]).exit_code == 0
    (directory / f"{NAME}.v1.avsc").unlink()
    result = CliRunner().invoke(schemas.cli, ["check", "--json"])
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["problems"]) == 1


def test_the_list_names_every_schema_by_its_id() -> None:
    lines = json.loads(CliRunner().invoke(schemas.cli, ["list", "--json"]).stdout)
    assert [line["id"] for line in lines] == list(read_lock(DIRECTORY))
