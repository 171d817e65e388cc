"""The command API: each request becomes one command, each outcome one answer."""

from typing import Annotated
from uuid import UUID, uuid5

import msgspec
from fastapi import APIRouter, Depends, Header, Request, Response

from app.commands import service
from app.commands.service import Commands, Handled
from app.domain.events import Item
from app.domain.orders import AddItem, CancelOrder, Command, CreateOrder, Order
from app.errors import OrderflowError
from app.observability.metrics import COMMANDS
from app.people.people import People
from app.web import moments
from app.web.conditions import command_id, consistency_token, etag, expected_version, fingerprint
from app.web.models import Cancellation, ItemBody, NewOrder, OrderBody
from app.web.openapi import problems
from app.web.personal import opened

_HEADERS = {
    "ETag": {"description": "The version of the order, for `If-Match`.", "schema": {"type": "string"}},
    "X-Consistency-Token": {
        "description": "`<order_id>:<version>`: what a read must have seen to show this command.",
        "schema": {"type": "string"},
    },
}
_REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` when the command had been handled before: this is its answer again.",
        "schema": {"type": "string"},
    }
}
_LOCATION = {"Location": {"description": "Where the order is.", "schema": {"type": "string"}}}


router = APIRouter(tags=["orders"])


async def _commands(request: Request) -> Commands:
    commands: Commands = request.app.state.commands
    return commands


async def _people(request: Request) -> People:
    people: People = request.app.state.people
    return people


Handling = Annotated[Commands, Depends(_commands)]
Sealing = Annotated[People, Depends(_people)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='The version that the order must have, like `"3"`.')
]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", description="Sent twice, a command has effect once, and one answer.")
]


@router.post(
    "/orders",
    status_code=201,
    response_model=OrderBody,
    responses={201: {"headers": _HEADERS | _REPLAYED | _LOCATION}, **problems(400, 409, 413, 422, 429, 503)},
)
async def create_order(
    body: NewOrder, commands: Handling, people: Sealing, idempotency_key: IdempotencyKey = None
) -> Response:
    """Place an order."""
    key = command_id(idempotency_key)
    order_id = str(body.order_id or uuid5(key, "order"))
    told = {"customer_name": body.customer_name, "delivery_address": body.delivery_address}
    sealed = await people.seal(order_id, body.customer_id, **told)
    command = CreateOrder(
        order_id=order_id,
        customer_id=body.customer_id,
        currency=body.currency,
        reference=body.reference,
        items=tuple(_item(item) for item in body.items),
        fulfilment=body.fulfilment,
        placed_at=None if body.placed_at is None else moments.micros(body.placed_at),
        customer_name=sealed.customer_name,
        delivery_address=sealed.delivery_address,
    )
    # a digest of name and address could be guessed at by whoever reads it: their mark cannot, without the key
    payload = body.model_dump_json(exclude=set(told)) + sealed.mark
    handled = await _handle(commands, command, key, payload, expected=None)
    return await _answer(people, handled, status=201, headers={"Location": f"/orders/{order_id}"})


@router.post(
    "/orders/{order_id}/items",
    response_model=OrderBody,
    responses={200: {"headers": _HEADERS | _REPLAYED}, **problems(400, 404, 409, 412, 413, 422, 429, 503)},
)
async def add_item(
    order_id: UUID,
    body: ItemBody,
    commands: Handling,
    people: Sealing,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add a line to a pending order."""
    command = AddItem(order_id=str(order_id), item=_item(body))
    key, expected = command_id(idempotency_key), expected_version(if_match)
    return await _answer(people, await _handle(commands, command, key, body.model_dump_json(), expected))


@router.post(
    "/orders/{order_id}/cancel",
    response_model=OrderBody,
    responses={200: {"headers": _HEADERS | _REPLAYED}, **problems(400, 404, 409, 412, 413, 422, 429, 503)},
)
async def cancel_order(
    order_id: UUID,
    commands: Handling,
    people: Sealing,
    body: Cancellation | None = None,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Cancel a pending order; what was charged, reserved and scheduled for it is undone."""
    reason = (body or Cancellation()).reason
    command = CancelOrder(order_id=str(order_id), reason=reason)
    key, expected = command_id(idempotency_key), expected_version(if_match)
    return await _answer(people, await _handle(commands, command, key, reason, expected))


@router.get(
    "/orders/{order_id}",
    response_model=OrderBody,
    responses={200: {"headers": {"ETag": _HEADERS["ETag"]}}, **problems(404, 422, 503)},
)
async def read_order(order_id: UUID, commands: Handling, people: Sealing) -> Response:
    """Read an order from its events, as new as the last command."""
    order = await commands.order(str(order_id))
    return Response(await _body(people, order), headers={"ETag": etag(order.version)}, media_type="application/json")


async def _handle(commands: Commands, command: Command, key: UUID, payload: str, expected: int | None) -> Handled:
    name = type(command).__name__
    request = service.Request(
        command=command,
        command_id=key,
        causation_id=str(key),
        fingerprint=fingerprint(f"{name} {command.order_id}", payload),
        expected=expected,
    )
    try:
        handled = await commands.handle(request)
    except OrderflowError as error:
        COMMANDS.labels(name, type(error).__name__).inc()
        raise
    COMMANDS.labels(name, "replayed" if handled.replayed else "accepted").inc()
    return handled


async def _answer(
    people: People, handled: Handled, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    order = handled.order
    conditions = {"ETag": etag(order.version), "X-Consistency-Token": consistency_token(order.order_id, order.version)}
    repeated = {"Idempotency-Replayed": "true"} if handled.replayed else {}
    told = conditions | repeated | (headers or {})
    return Response(await _body(people, order), status, told, media_type="application/json")


def _item(body: ItemBody) -> Item:
    return Item(sku=body.sku, quantity=body.quantity, unit_price_minor=body.unit_price_minor)


async def _body(people: People, order: Order) -> bytes:
    personal = await opened(people, order)
    shown = {name: getattr(order, name) for name in OrderBody.model_fields if name not in personal}
    return msgspec.json.encode(shown | {"placed_at": moments.text(order.placed_at)} | personal)
