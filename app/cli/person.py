"""`orderflow person`: erases the personal data of a customer, and lists who was erased."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from app.cli.options import printable
from app.cli.printing import AsJson, print_json
from app.config import load
from app.deadletters.audit import operator
from app.people.postgres import PostgresPersonKeys

ResultT = TypeVar("ResultT")

cli = typer.Typer(no_args_is_help=True, help="Erase the personal data of customers.")


@cli.callback()
def person() -> None:
    """Erase the personal data of customers."""


@cli.command()
def erase(
    customer_id: Annotated[str, typer.Argument(metavar="CUSTOMER", callback=printable)], as_json: AsJson = False
) -> None:
    """Make names and addresses of all orders of a customer until now unreadable, everywhere and for good.

    Safe to repeat: it says when there was nothing to erase.
    """
    done = asyncio.run(_asked(lambda keys: keys.erase(customer_id, operator())))
    if as_json:
        print_json(done)
    elif done.erased:
        typer.echo(f"erased: nobody can read name and address of {customer_id} any more")
    else:
        typer.echo(f"there was nothing to erase: {customer_id} gave neither name nor address, or was erased before")


@cli.command()
def erasures(as_json: AsJson = False) -> None:
    """Who was erased at whose word, the oldest first."""
    found = asyncio.run(_asked(lambda keys: keys.erasures()))
    if as_json:
        print_json(found)
        return
    for one in found:
        what = "erased" if one.erased else "nothing to erase"
        typer.echo(f"{one.at.isoformat(timespec='seconds')}  {one.customer_id}  {what}  by {one.who}")
    typer.echo(f"{len(found)} erasures")


async def _asked(question: Callable[[PostgresPersonKeys], Awaitable[ResultT]]) -> ResultT:
    keys = PostgresPersonKeys(load().postgres)
    try:
        return await question(keys)
    finally:
        await keys.close()
