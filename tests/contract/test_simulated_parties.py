"""What the simulated parties say over HTTP: ledger, faults, and problems for what they do not take."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.gateways.over_http import path
from tests.contract.simulated import SimulatedParty
from tests.waiting import PATIENCE_S, until

TERMS = {"customer_id": "17850", "currency": "GBP", "amount_minor": 1250}


@pytest.fixture
def provider(simulated_provider: SimulatedParty) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulated_provider.url, timeout=PATIENCE_S) as client:
        yield client
        client.delete("/faults").raise_for_status()


@pytest.fixture
def carrier(simulated_carrier: SimulatedParty) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulated_carrier.url, timeout=PATIENCE_S) as client:
        yield client
        client.delete("/faults").raise_for_status()


def entries(party: httpx.Client, order_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = party.get("/ledger", params={"order_id": order_id}).json()["entries"]
    return found


def problem(answer: httpx.Response) -> int:
    """The status of the problem that an answer tells."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"]
    assert told["detail"]
    return answer.status_code


def test_ledger_tells_each_state_of_a_charge(provider: httpx.Client, order_id: str) -> None:
    for version in (1, 2):
        provider.put(f"/charges/{order_id}/{version}", json=TERMS)
    provider.put(f"/charges/{order_id}/3", json={**TERMS, "customer_id": "refuse-payment-1"})
    provider.post(f"/charges/{order_id}/void", json={"order_versions": [2, 4]})
    charged, refunded, refused, voided = entries(provider, order_id)
    assert charged.pop("payment_id") != refunded.pop("payment_id")
    key = {"order_id": order_id}
    assert charged == {**key, "order_version": 1, "state": "charged", **TERMS}
    assert refunded == {**key, "order_version": 2, "state": "refunded", **TERMS}
    assert (refused["state"], refused["reason"]) == ("refused", "refused-customer")
    assert voided == {**key, "order_version": 4, "state": "voided"}


def test_ledger_tells_each_state_of_a_delivery(carrier: httpx.Client, order_id: str) -> None:
    for version in (1, 2):
        carrier.put(f"/deliveries/{order_id}/{version}", json={"customer_id": "17850"})
    answer = carrier.post(f"/deliveries/{order_id}/cancel", json={"order_versions": [2]}).json()
    scheduled, cancelled = entries(carrier, order_id)
    assert answer == {"deliveries": [{"order_version": 2, "delivery_id": cancelled["delivery_id"]}]}
    assert (scheduled["state"], cancelled["state"]) == ("scheduled", "cancelled")


def test_ledger_streams_more_entries_than_a_page(provider: httpx.Client, order_id: str) -> None:
    versions = list(range(1, 1202))
    provider.post(f"/charges/{order_id}/void", json={"order_versions": versions})
    assert [entry["order_version"] for entry in entries(provider, order_id)] == versions
    everything = provider.get("/ledger").json()["entries"]
    assert len(everything) >= len(versions)
    assert len({(entry["order_id"], entry["order_version"]) for entry in everything}) == len(everything)


def test_empty_ledger_is_an_empty_list(provider: httpx.Client) -> None:
    assert entries(provider, "never-seen") == []


def test_refuse_fault_refuses_the_key_for_good(provider: httpx.Client, order_id: str) -> None:
    provider.post("/faults", json={"kind": "refuse", "match": {"order_id": order_id}, "count": 1})
    refused = provider.put(f"/charges/{order_id}/1", json=TERMS).json()
    assert refused == {"outcome": "refused", "reason": "refused-by-fault"}
    assert provider.put(f"/charges/{order_id}/1", json=TERMS).json() == refused
    assert provider.put(f"/charges/{order_id}/2", json=TERMS).json()["outcome"] == "charged"


def test_refuse_fault_is_not_used_up_by_a_repetition(provider: httpx.Client, order_id: str) -> None:
    provider.put(f"/charges/{order_id}/1", json=TERMS)
    provider.post("/faults", json={"kind": "refuse", "match": {"order_id": order_id}, "count": 1})
    assert provider.put(f"/charges/{order_id}/1", json=TERMS).json()["outcome"] == "charged"
    assert provider.put(f"/charges/{order_id}/2", json=TERMS).json()["outcome"] == "refused"


def test_unavailable_fault_records_nothing(provider: httpx.Client, order_id: str) -> None:
    provider.post("/faults", json={"kind": "unavailable", "match": {"customer_id": "17850"}, "count": 2})
    for _ in range(2):
        assert problem(provider.put(f"/charges/{order_id}/1", json=TERMS)) == 503
    assert entries(provider, order_id) == []
    assert provider.put(f"/charges/{order_id}/1", json=TERMS).json()["outcome"] == "charged"


def test_unavailable_fault_hits_voids_of_its_order_too(provider: httpx.Client, order_id: str) -> None:
    provider.post("/faults", json={"kind": "unavailable", "match": {"order_id": order_id}})
    void = {"order_versions": [1]}
    assert problem(provider.post(f"/charges/{order_id}/void", json=void)) == 503
    assert provider.post(f"/charges/{uuid4()}/void", json=void).json() == {"refunds": []}


def test_faults_last_until_they_are_removed(provider: httpx.Client, order_id: str) -> None:
    provider.post("/faults", json={"kind": "unavailable"})
    assert provider.put(f"/charges/{order_id}/1", json=TERMS).status_code == 503
    assert provider.delete("/faults").status_code == 204
    assert provider.put(f"/charges/{order_id}/1", json=TERMS).status_code == 200


def test_timeout_fault_records_and_does_not_answer(provider: httpx.Client, order_id: str) -> None:
    provider.post("/faults", json={"kind": "timeout", "match": {"order_id": order_id}, "count": 1})
    with pytest.raises(httpx.ReadTimeout):
        provider.put(f"/charges/{order_id}/1", json=TERMS, timeout=httpx.Timeout(PATIENCE_S, read=0.3))
    [entry] = until(lambda: entries(provider, order_id), "the charge is recorded")
    answer = provider.put(f"/charges/{order_id}/1", json=TERMS).json()
    assert answer == {"outcome": "charged", "payment_id": entry["payment_id"]}


@pytest.mark.parametrize(
    "terms",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        {**TERMS, "amount_minor": -1},
        {**TERMS, "amount_minor": 1.5},
        {**TERMS, "amount_minor": 2**63},
        {**TERMS, "currency": "pounds"},
        {**TERMS, "customer_id": ""},
        {**TERMS, "customer_id": "c" * 201},
        {**TERMS, "unknown": 1},
        b'{"customer_id":"\\ud800","currency":"GBP","amount_minor":1}',
    ],
)
def test_malformed_terms_are_a_problem(provider: httpx.Client, order_id: str, terms: dict[str, Any] | bytes) -> None:
    key = f"/charges/{order_id}/1"
    answer = provider.put(key, content=terms) if isinstance(terms, bytes) else provider.put(key, json=terms)
    assert problem(answer) == 422
    assert entries(provider, order_id) == []


@pytest.mark.parametrize("version", ["0", "-1", "x", "1.5", "9" * 5000, str(2**63)])
def test_malformed_version_is_a_problem(provider: httpx.Client, order_id: str, version: str) -> None:
    assert problem(provider.put(f"/charges/{order_id}/{version}", json=TERMS)) == 422


@pytest.mark.parametrize("versions", [[0], ["x"], None, [2**63]])
def test_malformed_void_is_a_problem(provider: httpx.Client, order_id: str, versions: object) -> None:
    assert problem(provider.post(f"/charges/{order_id}/void", json={"order_versions": versions})) == 422


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "explode"},
        {"kind": "refuse", "count": 0},
        {"kind": "refuse", "seconds": 0},
        {"kind": "refuse", "match": {"order": "x"}},
    ],
)
def test_malformed_fault_is_a_problem(provider: httpx.Client, fault: dict[str, Any]) -> None:
    assert problem(provider.post("/faults", json=fault)) == 422


def test_unknown_path_and_method_are_problems(provider: httpx.Client, order_id: str) -> None:
    assert problem(provider.get("/nowhere")) == 404
    assert problem(provider.delete(f"/charges/{order_id}/1")) == 405


def test_used_key_with_other_terms_is_a_conflict(provider: httpx.Client, order_id: str) -> None:
    provider.put(f"/charges/{order_id}/1", json=TERMS)
    assert problem(provider.put(f"/charges/{order_id}/1", json={**TERMS, "amount_minor": 1})) == 409


def test_order_id_may_hold_any_character(provider: httpx.Client) -> None:
    order_id = f"{uuid4()} ?&%é\n"
    assert provider.put(path("charges", order_id, 1), json=TERMS).json()["outcome"] == "charged"
    assert [entry["order_id"] for entry in entries(provider, order_id)] == [order_id]
