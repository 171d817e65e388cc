"""`orderflow dlq`, as far as it needs no broker."""

from typer.testing import CliRunner

from app.cli.dlq import cli
from app.errors import SetupError
from topologies import catalogue


def test_a_topology_that_is_none_is_refused_with_the_names_there_are() -> None:
    error = CliRunner().invoke(cli, ["list", "--topology", "nosuch"]).exception
    assert isinstance(error, SetupError)
    assert f"there are {', '.join(catalogue.NAMES)}" in str(error)
