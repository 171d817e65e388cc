"""The position of a shard as it is committed to Kafka: relays of this release and the one before read each other's."""

from uuid import UUID

import pytest
from confluent_kafka import TopicPartition

from app.eventstore.outbox import Mark, Position
from app.eventstore.publisher import _metadata, _position

EVENT, ORDER = str(UUID(int=7)), str(UUID(int=8))


def read(metadata: str) -> Position:
    return _position(TopicPartition("orders.events", 0, 9, metadata))


@pytest.mark.parametrize("released", [None, Mark(ORDER, "4", 6)])
def test_a_position_is_read_as_it_was_written(released: Mark | None) -> None:
    position = Position("5", 7, 9, released, EVENT)
    assert read(_metadata(position)) == position


@pytest.mark.parametrize(("metadata", "released"), [("5,7", None), (f"5,7,{ORDER},4,6", Mark(ORDER, "4", 6))])
def test_that_of_the_release_before_is_read_without_an_event(metadata: str, released: Mark | None) -> None:
    assert read(metadata) == Position("5", 7, 9, released)


@pytest.mark.parametrize("released", [None, Mark(ORDER, "4", 6)])
def test_the_release_before_finds_a_mark_where_it_looks_for_one(released: Mark | None) -> None:
    """Of no aggregate, where nothing was released: then it moves none."""
    _, _, aggregateid, xid, seq, *_ = _metadata(Position("5", 7, 9, released, EVENT)).split(",")
    assert Mark(aggregateid, xid, int(seq)) == (released or Mark(str(UUID(int=0)), "0", 0))
