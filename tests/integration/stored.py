"""What PostgreSQL holds after a race: every stream whole, and the outbox the same events in their order."""

import psycopg

UNEQUAL = """
select count(*) from events e full join outbox o on (o.aggregateid, o.version) = (e.order_id, e.version)
where (o.id, o.type, o.payload) is distinct from (e.event_id, e.type, e.payload)
"""
OUT_OF_ORDER = """
select count(*) from (
    select version - lag(version, 1, 0) over (partition by aggregateid order by xid, seq) as step from outbox
) steps where step <> 1
"""


def ask(database: str, statement: str) -> int:
    with psycopg.connect(database) as connection:
        (answer,) = connection.execute(statement.encode()).fetchone() or (0,)
        return int(answer)


def stored_events(database: str) -> list[tuple[str, str, int]]:
    """(event, order, version) of each."""
    with psycopg.connect(database) as connection:
        return connection.execute("select event_id::text, order_id::text, version from events").fetchall()


def check_whole(database: str, appended: int) -> None:
    """So many events, versions without a gap, and each event in the outbox once, in the order of its stream."""
    assert ask(database, "select count(*) from events") == appended
    assert ask(database, UNEQUAL) == 0
    assert ask(database, OUT_OF_ORDER) == 0
