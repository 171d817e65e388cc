"""`orderflow produce`: places orders through the command API and receives the stock that they need."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer

from app.cli.options import finite, printable
from app.cli.producing import hostile
from app.cli.producing.generator import ORCHESTRATED
from app.cli.producing.orders import PlannedOrder, needed_stock
from app.cli.producing.persons import addressed
from app.cli.producing.placing import PlacedReport, place_orders
from app.cli.producing.sending import send
from app.cli.producing.shop_file import RejectedLine, lines_at, write_rejects
from app.cli.producing.showing import progress, show
from app.cli.producing.source import FAULTS, Source, from_file, from_seed
from app.cli.producing.stock import StockReport, receive_stock
from app.config import Settings, load
from app.gateways.warehouse import PostgresWarehouse
from app.serde.lock import committed_registry
from app.serde.topics import INVENTORY_EVENTS, ORDERS_EVENTS, PAYMENTS_EVENTS, SHIPPING_EVENTS

HOSTILE_PER_TOPIC = 0.1  # of the number of orders, and at least LEAST_HOSTILE
LEAST_HOSTILE = 12  # one of each kind
RECEIVE_SECONDS = 30.0
QUANTITY_DIGITS = 9

cli = typer.Typer(no_args_is_help=True, help="Place orders and receive stock.")

Count = Annotated[int, typer.Option("--orders", min=1, help="How many orders of the seed.")]
Seed = Annotated[int, typer.Option(help="The same seed makes the same orders, ids included.")]
Run = Annotated[str, typer.Option(callback=printable, help="Another run has the same orders under other ids.")]
Faults = Annotated[str, typer.Option(help=f"Any of {','.join(FAULTS)}, with commas between.")]
File = Annotated[Path | None, typer.Option("--from", help="A CSV with the columns of Online Retail.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@cli.command()
def orders(
    count: Count = 100,
    seed: Seed = 1,
    rate: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="Orders a second; 0: as fast as the API takes them.")
    ] = 0.0,
    faults: Faults = "",
    orchestrated: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of the orders of the seed that a saga fulfils.")
    ] = ORCHESTRATED,
    run: Run = "",
    file: File = None,
    rejects: Annotated[Path | None, typer.Option(help="Where the rejected lines of --from go.")] = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="With a made-up name and address for each customer.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Orders placed at once.")] = 16,
    as_json: Json = False,
) -> None:
    """Place orders; repeating a run adds nothing. Exit 1 when the API refused an order that it should take."""
    settings, wanted = load(), _faults(faults)
    source = _source(count, seed, wanted, run, file, orchestrated)
    if personal:
        source = msgspec.structs.replace(source, orders=tuple(map(addressed, source.orders)))
    result: dict[str, Any] = {"mix": source.mix}
    target = _rejects(settings, file, rejects)
    if target is not None:
        write_rejects(target, source.rejected)
        result |= {"rejected": source.rejected_by_reason, "rejects": str(target)}
    records = list(_hostile(wanted, seed, max(LEAST_HOSTILE, int(count * HOSTILE_PER_TOPIC))))
    if records:
        result["hostile"] = dict(Counter(record.kind for _, record in records))
    if not as_json:
        show("The orders of this run", result)
    refused: dict[str, str] = {}
    report = asyncio.run(_place(settings, source, records, rate, concurrency, refused))
    if file is not None and target is not None and refused:
        write_rejects(target, (*source.rejected, *_refused_lines(file, source, refused)))
    placed = msgspec.to_builtins(report) | {"refused_orders": _by_reference(source, refused)}
    if as_json:
        typer.echo(json.dumps(result | placed))
    else:
        show("Placed", placed)
        if target is not None:
            typer.echo(f"the lines that are part of no order are in {target}")
    raise typer.Exit(1 if report.refused else 0)


@cli.command()
def stock(
    count: Count = 100,
    seed: Seed = 1,
    faults: Faults = "",
    run: Run = "",
    file: File = None,
    item: Annotated[list[str] | None, typer.Option(help="SKU=QUANTITY instead; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Receive what the orders of the same options need; repeating it adds nothing, but --item always adds."""
    if item:
        name, needed = f"item:{uuid4()}", _items(item)
    else:
        source = _source(count, seed, _faults(faults), run, file)
        name, needed = source.name, needed_stock(source.orders)
    settings = load()
    with progress("skus", len(needed)) as on_progress:
        report = asyncio.run(receive_needed(settings, name, needed, on_progress))
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(report)))
    else:
        show("Received", msgspec.to_builtins(report))


async def _place(
    settings: Settings,
    source: Source,
    records: list[tuple[str, hostile.HostileRecord]],
    rate: float,
    concurrency: int,
    refused: dict[str, str],
) -> PlacedReport:
    """Places all; `refused` gets the code of each order that the API refused, or a command of it, by its id."""

    def on_refused(order: PlannedOrder, code: str) -> None:
        refused[order.order_id] = code

    with progress("orders", len(source.orders)) as on_progress:
        sending = asyncio.to_thread(send, settings.kafka, records) if records else asyncio.sleep(0)
        placing = place_orders(
            settings.api,
            source.orders,
            concurrency=concurrency,
            rate=rate,
            on_progress=on_progress,
            on_refused=on_refused,
        )
        report, _ = await asyncio.gather(placing, sending)
    return report


def _rejects(settings: Settings, file: Path | None, rejects: Path | None) -> Path | None:
    """Where the rejected lines of a file go."""
    return None if file is None else (rejects or settings.data / f"{file.stem}.rejects.csv").absolute()


def _refused_lines(file: Path, source: Source, refused: dict[str, str]) -> tuple[RejectedLine, ...]:
    """The lines of the orders that the API refused all the same."""
    reasons = {order_id: code.lower().replace("_", "-") for order_id, code in refused.items()}
    return lines_at(file, {line: reasons[order_id] for order_id in reasons for line in source.lines[order_id]})


def _by_reference(source: Source, refused: dict[str, str]) -> dict[str, str]:
    return {
        order.reference or order.order_id: refused[order.order_id]
        for order in source.orders
        if order.order_id in refused
    }


async def receive_needed(
    settings: Settings, name: str, needed: dict[str, int], on_progress: Callable[[int], None] = lambda _: None
) -> StockReport:
    """Receive this stock in the warehouse, once for each name and content; see `receive_stock`."""
    warehouse = PostgresWarehouse(settings.postgres, RECEIVE_SECONDS)
    try:
        return await receive_stock(warehouse, needed, name, on_progress=on_progress)
    finally:
        await warehouse.close()


def _source(
    count: int, seed: int, faults: tuple[str, ...], run: str, file: Path | None, orchestrated: float = ORCHESTRATED
) -> Source:
    if file is None:
        return from_seed(count, seed, faults=faults, run=run, orchestrated=orchestrated)
    if faults:
        raise typer.BadParameter("faults are for generated orders; leave out --from or --faults")
    return from_file(file)


def _faults(text: str) -> tuple[str, ...]:
    wanted = tuple(fault for fault in text.split(",") if fault)
    if unknown := set(wanted) - set(FAULTS):
        raise typer.BadParameter(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    return wanted


def _hostile(faults: tuple[str, ...], seed: int, count: int) -> Iterator[tuple[str, hostile.HostileRecord]]:
    for topic in (ORDERS_EVENTS, PAYMENTS_EVENTS, INVENTORY_EVENTS, SHIPPING_EVENTS):
        if "poison" in faults:
            yield from ((topic, record) for record in hostile.poison(committed_registry(), topic, seed, count))
        if "unknown-schema" in faults:
            yield from ((topic, record) for record in hostile.unknown_schemas(committed_registry(), topic, seed, count))


def _items(texts: list[str]) -> dict[str, int]:
    needed: Counter[str] = Counter()
    for text in texts:
        sku, _, quantity = text.rpartition("=")
        countable = quantity.isdecimal() and len(quantity) <= QUANTITY_DIGITS and int(quantity) > 0
        if not sku or not sku.isprintable() or not countable:
            what = f"a printable SKU and a quantity of 1 to {10**QUANTITY_DIGITS - 1}"
            raise typer.BadParameter(f"{text!r} is not SKU=QUANTITY with {what}")
        needed[sku] += int(quantity)
    return dict(needed)
