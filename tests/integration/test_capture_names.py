"""Each database of a server has a slot and a role of its own, whatever it is called."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.cdc import database as capturing
from app.errors import SetupError
from app.eventstore.outbox import Connection

Connect: TypeAlias = Callable[[str], Connection]
LONG = "a_shop_with_a_name_that_is_longer_than_what_a_slot_can_have"


@pytest.fixture
def connected_to(postgres: str) -> Iterator[Connect]:
    """A connection to a database that is made with this name, until the test ends."""
    with ExitStack() as at_the_end, psycopg.connect(postgres, autocommit=True) as administrator:

        def made(name: str) -> Connection:
            administrator.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            at_the_end.callback(administrator.execute, drop)
            return at_the_end.enter_context(psycopg.connect(make_conninfo(postgres, dbname=name), autocommit=True))

        yield made
        at_the_end.close()


def test_a_plain_name_is_that_of_the_database(connected_to: Connect) -> None:
    assert capturing.name_of(connected_to("shop_1")) == "outbox_shop_1"


def test_databases_whose_names_are_nearly_the_same_share_nothing(connected_to: Connect) -> None:
    names = ["shop", "Shop", "shop_a", "shop-a", "shop.a", "shopä", "shopö", f"{LONG}1", f"{LONG}2"]
    called = [capturing.name_of(connected_to(name)) for name in names]
    assert len(set(called)) == len(names)
    assert all(len(name) <= capturing.NAME_BYTES for name in called)


def test_a_slot_of_another_database_is_none_of_ours(connected_to: Connect) -> None:
    one, other = connected_to("one_shop"), connected_to("other_shop")
    name = capturing.name_of(one)
    assert capturing.ensure_slot(one, name)
    try:
        assert capturing.slot_of(other, name) is None
        capturing.drop_slot(other, name)
        with pytest.raises(SetupError, match="of another database"):
            capturing.ensure_slot(other, name)
        assert capturing.slot_of(one, name) is not None
    finally:
        capturing.drop_slot(one, name)


def test_a_slot_that_was_made_under_the_plain_name_is_used_on(connected_to: Connect) -> None:
    one, other = connected_to("old-shop"), connected_to("old.shop")
    capturing.ensure_slot(one, "outbox_old_shop")
    try:
        assert capturing.name_of(one) == "outbox_old_shop"
        assert capturing.name_of(other) != "outbox_old_shop"
    finally:
        capturing.drop_slot(one, "outbox_old_shop")
