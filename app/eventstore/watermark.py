"""Names what holds the watermark: the oldest transaction that has written, of whatever database of the server.

No row at or above its id may be published, for it may still add some below.
"""

import time
from typing import Final, LiteralString, NamedTuple

from app.eventstore.outbox import Connection
from app.observability.log import logger

# appends hold it for milliseconds; one that holds it for so long is told of
PATIENCE_S: Final = 2.0
LOOK_S: Final = 1.0

# a prepared transaction has no process
HOLDER: LiteralString = """
select pid, of_database, program, state, age_s from (
    select pid, datname::text as of_database, application_name as program, state, age(backend_xid) as behind,
        extract(epoch from clock_timestamp() - coalesce(xact_start, backend_start))::float8 as age_s
    from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
    union all
    select 0, database::text, gid, 'prepared', age(transaction),
        extract(epoch from clock_timestamp() - prepared)::float8
    from pg_prepared_xacts
) writing
order by behind desc limit 1
"""


class Holder(NamedTuple):
    """Who holds it. `program` and `state` are empty for a role that may not see them; `pid` is 0 for one prepared."""

    pid: int
    of_database: str
    program: str
    state: str
    age_s: float

    def __str__(self) -> str:
        if not self.pid:
            return f"the prepared transaction {self.program} in {self.of_database} holds back the outbox; end it"
        named = " ".join(filter(None, (self.program, self.state)))
        return (
            f"the transaction of process {self.pid} ({named or 'unnamed'}, database {self.of_database}) holds back the "
            f"outbox since {self.age_s:.0f} s; end it, or `select pg_terminate_backend({self.pid})`"
        )


def holder(connection: Connection) -> Holder | None:
    """The oldest writer now; None when nobody writes."""
    row = connection.execute(HOLDER).fetchone()
    return None if row is None else Holder(row[0], row[1] or "", row[2] or "", row[3] or "", row[4] or 0.0)


class Watch:
    """Over the connection of a shard's owner; asks only while the shard is held up."""

    def __init__(self, connection: Connection, shard: int) -> None:
        self._connection = connection
        self._log = logger(__name__).bind(shard=shard)
        self._since: float | None = None
        self._looked_at, self._told, self._trouble = 0.0, -1, ""

    def trouble(self, *, held: bool) -> str:
        """What holds the shard up when it has been `held`, without moving on, for some seconds; else nothing."""
        now = time.monotonic()
        if not held:
            self._since, self._told, self._trouble = None, -1, ""
        elif self._since is None:
            self._since = now
        elif now > self._since + PATIENCE_S and now > self._looked_at + LOOK_S:
            self._looked_at = now
            self._look()
        return self._trouble

    def _look(self) -> None:
        found = holder(self._connection)
        self._trouble = "" if found is None else str(found)
        if found is not None and found.pid != self._told:
            self._told = found.pid
            self._log.warning("relay.held", pid=found.pid, database=found.of_database, detail=self._trouble)
