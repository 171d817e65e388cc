"""What of the outbox is yet to be published, in SQL: one definition for all who ask after it, but for `app.verify`.

That has its own of everything. Change data capture has a place of its own, which is not here: see
`wait_until_captured`.
"""

from typing import Final, LiteralString

from psycopg import sql

# Rows of which transactions are the relay's. Amid a handover back to it they are those behind the marker, which are
# nobody's until it settles: change data capture ends there, and the relay does not look yet.
MINE: Final[LiteralString] = """(
    select case state when 'to_relay' then marker else relay_from end as since,
        case state when 'to_relay' then '18446744073709551615' else relay_until end as until
    from publishing
)"""
# of a row `o`, where `mine` is the above and `p` the position of a shard
IS_UNPUBLISHED: Final[LiteralString] = """
    (o.xid, o.seq) > (p.xid, p.seq) and o.xid > mine.since and o.xid < mine.until
    and p.shard = outbox_shard(o.aggregateid, (select count(*)::int from relay_position))
"""


def asking(statement: LiteralString, **others: sql.Composable) -> sql.Composed:
    """The statement with both in place of `{mine}` and `{is_unpublished}`."""
    return sql.SQL(statement).format(mine=sql.SQL(MINE), is_unpublished=sql.SQL(IS_UNPUBLISHED), **others)
