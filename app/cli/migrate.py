"""`orderflow migrate`: brings the database to the current schema."""

import typer

from app import config, migrations

cli = typer.Typer()


@cli.command()
def migrate() -> None:
    """Apply every migration that the database of ORDERFLOW_POSTGRES lacks. Safe to repeat."""
    migrations.upgrade(config.load().postgres)
    typer.echo("the database is at the current schema")
