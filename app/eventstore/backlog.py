"""Measures what is not yet published, whoever owns the shards, at the moment when somebody asks."""

import psycopg

from app.eventstore.session import conninfo
from app.eventstore.unpublished import asking
from app.eventstore.watermark import holder
from app.observability.metrics import RELAY_BACKLOG, RELAY_LAG, RELAY_WATERMARK

MOST_ROWS = 100_000

BACKLOG = asking("""
select p.shard, b.waiting, b.oldest_s
from {mine} mine, relay_position p, lateral (
    select count(*) as waiting, coalesce(extract(epoch from clock_timestamp() - min(appended_at)), 0) as oldest_s
    from (
        select o.appended_at from outbox o where {is_unpublished} order by o.xid, o.seq limit %s
    ) unpublished
) b
""")


def measure(dsn: str) -> None:
    """Sets the gauges; they keep their values while PostgreSQL does not answer."""
    try:
        with psycopg.connect(conninfo(dsn, "orderflow-relay", statement_timeout="2s")) as connection:
            for shard, waiting, oldest_s in connection.execute(BACKLOG, (MOST_ROWS,)):
                RELAY_BACKLOG.labels(shard).set(waiting)
                RELAY_LAG.labels(shard).set(float(oldest_s))
            oldest = holder(connection)
            RELAY_WATERMARK.clear()
            if oldest is not None:
                RELAY_WATERMARK.labels(oldest.pid).set(oldest.age_s)
    except psycopg.Error:
        return
