"""`orderflow simulate`: the parties of the outside world, each on `ORDERFLOW_HOST`:`ORDERFLOW_PORT`."""

import typer

from app.config import load
from app.simulators.carrier import CARRIER
from app.simulators.provider import PROVIDER
from app.simulators.service import serve

cli = typer.Typer(no_args_is_help=True, help="Run a payment provider or a carrier to try the system against.")


@cli.command()
def provider() -> None:
    """Charge and refund. Customers refuse-payment... are refused; the ledger is provider.db in ORDERFLOW_DATA."""
    serve(PROVIDER, load())


@cli.command()
def carrier() -> None:
    """Schedule and cancel. Customers refuse-delivery... are refused; the ledger is carrier.db in ORDERFLOW_DATA."""
    serve(CARRIER, load())
