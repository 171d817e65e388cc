"""Commands have topics of their own, and are the saga's; events are their service's."""

import pytest

from app.domain.events import Event
from app.domain.requests import SagaOperation, Settlement
from app.serde.cloudevents import headers
from app.serde.topics import full_name, topic_of
from tests.schema.sample_events import SAMPLES


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_names_who_says_it_and_its_type(event: Event) -> None:
    service, kind = topic_of(type(event)).split(".")
    named = dict(headers(event))
    asker = "operator" if isinstance(event, SagaOperation | Settlement) else "fulfilment"
    assert named["ce_source"].decode() == f"/orderflow/{asker if kind == 'commands' else service}"
    assert named["ce_type"].decode() == full_name(type(event)) == f"orderflow.{service}.{type(event).__name__}"
