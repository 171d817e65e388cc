"""The audit of sagas: a row for each command, once, and never changed."""

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest

from app.inbox.audit import Audit, OperationReusedError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def audit(database: str) -> AsyncIterator[Audit]:
    audit = Audit(database)
    yield audit
    await audit.close()


async def test_a_command_that_is_recorded_again_is_one_row(audit: Audit) -> None:
    id_, order_id = uuid4(), str(uuid4())
    for _ in range(2):
        await audit.record(id_, "ada", "skip", order_id, "payment", "written off")
    [act] = [act for act in await audit.acts() if act.id == id_]
    assert (act.who, act.action, str(act.order_id), act.step, act.reason) == (
        *("ada", "skip", order_id),
        *("payment", "written off"),
    )


async def test_an_id_belongs_to_one_command(audit: Audit) -> None:
    id_, order_id = uuid4(), str(uuid4())
    await audit.record(id_, "ada", "skip", order_id, "payment", "written off")
    for action, step in (("retry", "payment"), ("skip", "stock")):
        with pytest.raises(OperationReusedError, match="was another command: skip payment"):
            await audit.record(id_, "ada", action, order_id, step, "written off")  # type: ignore[arg-type]  # a Literal


@pytest.mark.parametrize(
    "change", ["update sagas.audit set who = 'eve'", "delete from sagas.audit", "truncate sagas.audit"]
)
async def test_rows_are_never_changed(audit: Audit, database: str, change: str) -> None:
    await audit.record(uuid4(), "ada", "skip", str(uuid4()), "payment", "written off")
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.RaiseException, match="never changed"):
        connection.execute(change)
