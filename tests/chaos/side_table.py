"""Whoever writes into the table of the blocked aggregates is held up there, to be killed at that point."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import psycopg

LOCK = 4_711
# a session of the relay waits for no lock for long
WAITS = """
create function waits() returns trigger language plpgsql set lock_timeout = 0 as $$
begin perform pg_advisory_xact_lock({lock}); return null; end $$;
create constraint trigger waits after {write} on outbox_blocked {moment} for each row execute function waits()
"""
WAITING = f"""
select split_part(application_name, '-', 3)::int
from pg_stat_activity join pg_locks using (pid)
where locktype = 'advisory' and objsubid = 1 and objid = {LOCK} and not granted
"""


class Moment(StrEnum):
    """At a commit the write outlives its writer, for the server has all that it needs; before, it does not."""

    AT_THE_WRITE = "not deferrable"
    AT_THE_COMMIT = "deferrable initially deferred"


@contextmanager
def held_up(database: str, write: str, moment: Moment) -> Iterator[Callable[[], list[int]]]:
    """The shards whose owners are held up at such a write. They go on in the end, when there is still somebody."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"select pg_advisory_lock({LOCK})".encode())
        connection.execute(WAITS.format(lock=LOCK, write=write, moment=moment).encode())
        try:
            yield lambda: [shard for (shard,) in connection.execute(WAITING.encode())]
        finally:
            connection.execute(f"select pg_advisory_unlock({LOCK})".encode())
            # waits for those that were held up
            connection.execute("drop function waits cascade")
