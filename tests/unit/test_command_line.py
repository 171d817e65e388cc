"""What a person gets wrong is refused in one line with code 2; Ctrl-C ends a command quietly, whatever it does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import demo, produce, verify
from app.errors import SetupError
from tests.waiting import PATIENCE_S

# an import of the command's that lasts until it is interrupted; it says when it has begun
HANGING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Hanging:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            print("imports", flush=True)
            signal.pause()

sys.meta_path.insert(0, Hanging())
sys.argv = ["orderflow", "schemas", "check"]
from app.cli import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "app.cli.schemas", "fastavro"])
def test_an_interrupt_while_a_command_imports_ends_it_quietly(module: str) -> None:
    words = [sys.executable, "-c", HANGING.format(module=module)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout
        assert command.stdout.readline() == b"imports\n"
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=PATIENCE_S)
    assert (command.returncode, said) == (130, b"")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("ORDERFLOW_API=garbage", "produce orders --orders 1"),
        ("ORDERFLOW_PORT=99999", "api"),
        ("ORDERFLOW_LOG_LEVEL=loud", "worker payments"),
        ("ORDERFLOW_PARTITIONS=0", "topics apply"),
        ("ORDERFLOW_POSTGRES=garbage", "migrate"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_in_one_line(variable: str, words: str) -> None:
    name, _, value = variable.partition("=")
    command = [sys.executable, "-m", "app.cli", *words.split()]
    done = subprocess.run(command, env={**os.environ, name: value}, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert done.stderr.startswith(f"SetupError: {name} cannot be read: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("data", ["/proc/nope", "/dev/null"])
def test_rejects_that_cannot_be_written_are_told_with_the_option(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tmp_path / "shop.csv"
    shop.write_text("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n")
    monkeypatch.setenv("ORDERFLOW_DATA", data)
    for rejects in ([], ["--rejects", str(tmp_path)]):
        result = CliRunner().invoke(produce.cli, ["orders", "--from", str(shop), *rejects])
        assert isinstance(result.exception, SetupError)
        assert "--rejects" in str(result.exception)


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_wait_without_an_end_is_refused(seconds: str) -> None:
    assert "--timeout" in refusal(verify, "--timeout", seconds)


def test_a_rate_that_is_no_number_is_refused() -> None:
    assert "--rate" in refusal(produce, "orders", "--rate", "nan")


def test_a_demo_of_less_than_one_order_is_refused() -> None:
    assert "--orders" in refusal(demo, "--orders", "-5")


@pytest.mark.parametrize("words", [("stock", "--item", "\udcff=4"), ("orders", "--run", "\udcff")])
def test_bytes_that_are_no_text_are_refused(words: tuple[str, ...]) -> None:
    assert "printable" in refusal(produce, *words)


def refusal(module: object, *words: str) -> str:
    result = CliRunner().invoke(module.cli, words)  # type: ignore[attr-defined]  # a module of commands has a cli
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr
