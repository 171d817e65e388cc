"""`orderflow topics`: create and check the topics that the topologies declare."""

import msgspec
import typer

from app import config
from app.streaming.kafka import topics
from app.streaming.topology import TopicSpec
from topologies import catalogue

cli = typer.Typer(no_args_is_help=True, help="Create and check the topics.")


def declared(settings: config.Settings) -> list[TopicSpec]:
    """Every topic of every topology, once."""
    specs = [spec for topology in catalogue.build_all(settings) for spec in topology.topics()]
    return list({spec.name: spec for spec in specs}.values())


@cli.command()
def apply(*, as_json: bool = typer.Option(False, "--json", help="Print the result as JSON.")) -> None:
    """Create the topics that are missing; refuses to go on where one has another partition count."""
    settings = config.load()
    applied = topics.apply(settings.kafka, declared(settings), settings.partitions, settings.replication)
    if as_json:
        typer.echo(msgspec.json.encode(applied).decode())
    else:
        typer.echo(f"{len(applied.created)} topics created, {len(applied.kept)} were there")


@cli.command()
def check() -> None:
    """Compare the topics with what is declared."""
    settings = config.load()
    topics.check(settings.kafka, declared(settings), settings.partitions)
    typer.echo("all topics are as declared")
