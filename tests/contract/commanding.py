"""An order to command, a store that can fail, and how answers are read."""

from typing import Any

import httpx

from app.domain.events import Event
from app.eventstore.memory import MemoryEventStore
from app.web.models import ProblemBody
from app.web.problem import MEDIA_TYPE

ITEM = {"sku": "85123A", "quantity": 6, "unit_price_minor": 255}
ORDER = {"customer_id": "17850", "currency": "GBP", "reference": "536365", "items": [ITEM]}


class Store(MemoryEventStore):
    """Fails with `failure` when there is one."""

    failure: Exception | None = None

    async def read(self, order_id: str, from_version: int = 1) -> list[Event]:
        if self.failure is not None:
            raise self.failure
        return await super().read(order_id, from_version)


async def placed(api: httpx.AsyncClient) -> str:
    answer = await api.post("/orders", json=ORDER)
    assert answer.status_code == 201
    return str(answer.json()["order_id"])


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.status_code == status
    body: dict[str, Any] = answer.json()
    ProblemBody.model_validate(body)
    assert (body["status"], body["code"]) == (status, code)
    return body
