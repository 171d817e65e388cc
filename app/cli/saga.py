"""`orderflow saga`: describe the sagas there are; see where the sagas of orders stand."""

from typing import Annotated, Any, Literal
from uuid import uuid4

import typer

from app.cli.asking_api import asked
from app.cli.options import printable
from app.cli.printing import AsJson, print_json, print_tree
from app.deadletters.audit import operator
from app.domain.fulfilment_saga import SAGAS
from app.sagas import describe

cli = typer.Typer(no_args_is_help=True, help="Describe sagas; see where those of orders stand.")

OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID")]
StepName = Annotated[str, typer.Argument(metavar="STEP", help="As `show` names it.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit.", callback=printable)]


@cli.command("describe")
def describe_(
    form: Annotated[Literal["text", "mermaid"], typer.Option("--format", help="How to print it.")] = "text",
) -> None:
    """Print the state machine of every version of every saga."""
    show = describe.as_text if form == "text" else describe.as_mermaid
    typer.echo("\n\n".join(show(definition) for definition in SAGAS))


@cli.command("list")
def list_(
    state: Annotated[
        str, typer.Option(help="waiting (for an operator), or states with commas between, OVERDUE among them.")
    ] = "waiting",
    as_json: AsJson = False,
) -> None:
    """One line a saga, the oldest first."""
    states = [] if state == "waiting" else [("state", one) for one in state.split(",")]
    found = asked("GET", "/sagas", params=states)["sagas"]
    if as_json:
        print_json(found)
        return
    for saga in found:
        line = (saga["began_at"], saga["order_id"], saga["saga"], saga["state"], _need(saga), saga["reason"])
        typer.echo("  ".join(line).rstrip())
    typer.echo(f"{len(found)} sagas")


@cli.command()
def show(order_id: OrderId, as_json: AsJson = False) -> None:
    """The saga of one order whole: its steps, what operators did, its timeline."""
    saga = asked("GET", f"/sagas/{order_id}")
    if as_json:
        print_json(saga)
        return
    timeline, operations = saga.pop("timeline"), saga.pop("operations")
    steps = saga.pop("steps")
    print_tree(saga)
    for step in steps:
        typer.echo(f"  {step['step']:<10}do {_progress(step['do'])}; undo {_progress(step['undo'])}")
    for one in operations:
        typer.echo(f"  {one['at']}  {one['operator']}: {one['action']} {one['step']}, because: {one['reason']}")
    for event in timeline:
        about = " ".join(f"{name}={value}" for name, value in event["about"].items())
        ids = f"{event['event_id']}  caused by {event['caused_by']}"
        typer.echo(f"  {event['at']:<28}{event['type']:<24}{ids}  {about}".rstrip())


@cli.command()
def retry(order_id: OrderId, step: StepName, reason: Reason = "retry", as_json: AsJson = False) -> None:
    """Ask for a step again that failed for good, with all its attempts."""
    _operate("retry", order_id, step, reason, as_json)


@cli.command()
def skip(order_id: OrderId, step: StepName, reason: Reason, as_json: AsJson = False) -> None:
    """Go on without a step that failed for good: it stays as it is."""
    _operate("skip", order_id, step, reason, as_json)


@cli.command()
def resolve(order_id: OrderId, step: StepName, reason: Reason, as_json: AsJson = False) -> None:
    """Go on after a step that failed for good and was done by hand."""
    _operate("resolve", order_id, step, reason, as_json)


@cli.command()
def audit(as_json: AsJson = False) -> None:
    """What operators asked for, the oldest first."""
    found = asked("GET", "/sagas/audit")["actions"]
    if as_json:
        print_json(found)
        return
    for act in found:
        typer.echo("  ".join((act["at"], act["who"], act["action"], act["order_id"], act["step"], act["reason"])))


def _operate(action: str, order_id: str, step: str, reason: str, as_json: bool) -> None:
    # a key of its own: sent again after a lost answer, it has effect once
    key = {"Idempotency-Key": str(uuid4())}
    body = {"operator": operator(), "reason": reason}
    saga = asked("POST", f"/sagas/{order_id}/steps/{step}/{action}", body=body, headers=key)
    if as_json:
        print_json(saga)
    else:
        typer.echo(f"{action} {step}: the saga of order {order_id} is {saga['state']}")


def _need(saga: dict[str, Any]) -> str:
    """What of it waits for an operator."""
    failed = f"failed: {', '.join(saga['failed'])}" if saga["failed"] else ""
    return f"overdue: waits for {saga['waits_for']}" if saga["waits_for"] else failed


def _progress(progress: dict[str, Any]) -> str:
    times = f" after {progress['attempts']} attempts" if progress["attempts"] > 1 else ""
    return f"{progress['state']}{times}" + (f" ({progress['error']})" if progress["error"] else "")
