"""Says before it is sent which part of an order the command API would refuse: by the API's own rules, not a copy."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from app.cli.producing.orders import order_id
from app.domain.events import Item
from app.domain.limits import InvalidOrderError, check_header, check_items
from app.web.models import ItemBody, NewOrder
from app.web.moments import micros

_ANY_ORDER = order_id("any")
_ANY_ITEM = {"sku": "any", "quantity": 1, "unit_price_minor": 1}


@lru_cache(maxsize=256)  # the lines of an order stand together
def refused_header(customer_id: str, currency: str, reference: str, placed_at: datetime) -> str | None:
    """The first field that would be refused, if any."""
    header = {"customer_id": customer_id, "currency": currency, "reference": reference}
    try:
        NewOrder.model_validate({**header, "items": [_ANY_ITEM], "placed_at": placed_at.isoformat()})
        check_header(_ANY_ORDER, customer_id, currency, reference, micros(placed_at))
    except ValidationError as error:
        return _field(error)
    except InvalidOrderError as error:
        return error.field
    return None


def refused_item(item: Item, *, count: int, total_minor: int) -> str | None:
    """The same of an item in an order that has `count` of them for `total_minor` when it is in it."""
    body: dict[str, Any] = {"sku": item.sku, "quantity": item.quantity, "unit_price_minor": item.unit_price_minor}
    try:
        ItemBody.model_validate(body)
        check_items((item,), count=count, total_minor=total_minor)
    except ValidationError as error:
        return _field(error)
    except InvalidOrderError as error:
        return error.field
    return None


def _field(error: ValidationError) -> str:
    return str(error.errors(include_url=False)[0]["loc"][0])
