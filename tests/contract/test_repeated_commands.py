"""An answer says when its command had been handled before."""

import httpx

from tests.contract.serving import serving

REPLAYED = "idempotency-replayed"
ITEM = {"sku": "tea", "quantity": 1, "unit_price_minor": 100}
ORDER = {"order_id": "5f8e1c1e-4b0a-4bb0-8d2c-0f9a3d1e7c55", "customer_id": "anna", "currency": "GBP", "items": [ITEM]}


def test_only_a_repeated_command_is_answered_as_a_replay() -> None:
    items = f"/orders/{ORDER['order_id']}/items"
    with serving() as api, httpx.Client(base_url=api.url, trust_env=False) as client:
        for path, body in (("/orders", ORDER), (items, ITEM)):
            first, again = (client.post(path, json=body, headers={"Idempotency-Key": path}) for _ in range(2))
            assert REPLAYED not in first.headers
            assert again.headers[REPLAYED] == "true"
            assert (again.status_code, again.content) == (first.status_code, first.content)


def test_the_page_of_the_api_describes_the_header() -> None:
    with serving() as api:
        page = httpx.get(f"{api.url}/openapi.json", trust_env=False).json()
    headers = page["paths"]["/orders"]["post"]["responses"]["201"]["headers"]
    assert "Idempotency-Replayed" in headers
