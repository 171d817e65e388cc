"""`orderflow simulate`: the parties of the outside world, each on `ORDERFLOW_HOST`:`ORDERFLOW_PORT`."""

import sqlite3
import time

import typer
import uvicorn

from app.cli.listening import listen
from app.config import Settings, load
from app.errors import SetupError
from app.observability.log import setup
from app.simulators.carrier import CARRIER
from app.simulators.faults import Faults
from app.simulators.ledger import Ledger
from app.simulators.party import Party
from app.simulators.provider import PROVIDER
from app.simulators.service import application

KEEP_ALIVE_SECONDS = 75  # longer than callers keep an idle connection
GRACE_SECONDS = 2  # for calls under way when the process is told to end

cli = typer.Typer(no_args_is_help=True, help="Run a payment provider or a carrier to try the system against.")


@cli.command()
def provider() -> None:
    """Charge and refund. Customers refuse-payment... are refused; the ledger is provider.db in ORDERFLOW_DATA."""
    _serve(PROVIDER)


@cli.command()
def carrier() -> None:
    """Schedule and cancel. Customers refuse-delivery... are refused; the ledger is carrier.db in ORDERFLOW_DATA."""
    _serve(CARRIER)


def _serve(party: Party) -> None:
    settings = load()
    setup(settings.log_level)
    config = uvicorn.Config(
        application(party, _open_ledger(party, settings), Faults(time.monotonic)),
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    with listen(settings) as listening:
        uvicorn.Server(config).run(sockets=[listening])


def _open_ledger(party: Party, settings: Settings) -> Ledger:
    path = settings.data / f"{party.name}.db"
    try:
        return Ledger(path)
    except (OSError, sqlite3.Error) as error:
        raise SetupError(f"the ledger {path} cannot be opened: {error}; mend ORDERFLOW_DATA") from None
