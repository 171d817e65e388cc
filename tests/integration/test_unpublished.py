"""What is yet to be published is the same to all who ask, at each step from one publisher to the other."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from app.cdc import publishing
from app.eventstore import captured
from app.eventstore.audit.repair import END, WAITING
from app.eventstore.audit.stored import PENDING
from app.eventstore.backlog import BACKLOG, MOST_ROWS
from app.eventstore.captured import CaptureWaitsError, wait_until_captured
from app.eventstore.outbox import Connection
from tests.integration.relaying import insert_row

PUBLISH = "update relay_position set xid = pg_current_xact_id(), seq = 0"


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """Of a database where the relay has published what there is."""
    with psycopg.connect(database, autocommit=True) as connection:
        append(connection)
        connection.execute(PUBLISH)
        yield connection


def append(connection: Connection) -> UUID:
    order_id = uuid4()
    insert_row(connection, order_id, 1, b"")
    return order_id


def unpublished(connection: Connection) -> set[UUID]:
    """The orders with events that are, to the audit; the others who ask count as many."""
    orders = {order_id for order_id, _ in connection.execute(PENDING)}
    assert connection.execute(WAITING, connection.execute(END).fetchone()).fetchone() == (len(orders),)
    assert sum(waiting for _, waiting, _ in connection.execute(BACKLOG, (MOST_ROWS,))) == len(orders)
    return orders


def test_the_relay_has_what_it_did_not_publish(connection: Connection) -> None:
    assert unpublished(connection) == set()
    appended = append(connection)
    assert unpublished(connection) == {appended}


def test_what_is_behind_the_marker_of_a_handover_to_capture_is_captured_or_waited_for(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "LIMIT_S", 0.0)
    left = append(connection)
    publishing.mark_to_cdc(connection)
    append(connection)
    assert (unpublished(connection), publishing.left_to_relay(connection)) == ({left}, 1)
    # there is no slot that is told of it
    with pytest.raises(CaptureWaitsError):
        wait_until_captured(connection)
    connection.execute(PUBLISH)
    assert (unpublished(connection), publishing.left_to_relay(connection)) == (set(), 0)


def test_what_is_behind_the_marker_of_a_handover_back_is_unpublished_before_it_settles_and_after(
    connection: Connection,
) -> None:
    publishing.mark_to_cdc(connection)
    publishing.settle_cdc(connection)
    append(connection)
    assert unpublished(connection) == set()
    publishing.mark_to_relay(connection)
    behind = append(connection)
    assert unpublished(connection) == {behind}
    publishing.settle_relay(connection)
    assert unpublished(connection) == {behind}
