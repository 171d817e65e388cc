"""`orderflow dlq`, as far as it needs no broker."""

from typer.testing import CliRunner

from app.cli.dlq import cli
from app.errors import SetupError


def test_a_topology_that_is_none_is_refused_with_the_names_there_are() -> None:
    error = CliRunner().invoke(cli, ["list", "--topology", "nosuch"]).exception
    assert isinstance(error, SetupError)
    assert "there are order-views, payments, inventory, shipping, fulfilment" in str(error)
