"""Personal data at the edge: sealed before a command is decided, opened when an order or its view is shown."""

from typing import Any, Protocol

import msgspec
from fastapi import Response

from app.people.people import People
from app.people.port import PersonalData


class _Sealed(Protocol):
    """What carries name and address of an order, sealed."""

    @property
    def order_id(self) -> str: ...
    @property
    def customer_name(self) -> str: ...
    @property
    def delivery_address(self) -> str: ...


# in the answer of a worker; quotes in a text of it are escaped, so no text is taken for this
_SEALED = b'"personal_data":"sealed"'


async def opened_row(people: People, answer: Response) -> Response:
    """The answer of a worker about one order, with what can be read of it."""
    if _SEALED not in bytes(answer.body):
        return answer
    shown: dict[str, Any] = msgspec.json.decode(answer.body)
    data = await people.open(
        shown["order_id"], customer_name=shown["customer_name"], delivery_address=shown["delivery_address"]
    )
    return Response(msgspec.json.encode(shown | _shown(data)), answer.status_code, media_type=answer.media_type)


async def opened(people: People, order: _Sealed) -> dict[str, str]:
    """What can be read of an order now."""
    return _shown(
        await people.open(order.order_id, customer_name=order.customer_name, delivery_address=order.delivery_address)
    )


def _shown(data: PersonalData) -> dict[str, str]:
    return {
        "personal_data": data.state,
        "customer_name": data.customer_name,
        "delivery_address": data.delivery_address,
    }
