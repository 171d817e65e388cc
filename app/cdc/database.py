"""PostgreSQL's part in change data capture: a role that may read the log of changes, and a slot that keeps it.

Both belong to the server, not to a database, and a slot that nobody reads keeps what nobody needs: so they are made
when capture is set up, not with the tables.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final, LiteralString

import msgspec
import psycopg
from psycopg import sql

from app.errors import SetupError, TransientError
from app.eventstore.outbox import Connection
from app.eventstore.session import conninfo

NAME_BYTES: Final = 63
DIGEST_BYTES: Final = 6
WAIT_S: Final = 10.0

SLOT: LiteralString = """
select active, coalesce(wal_status, '') as wal_status,
    pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint as behind_bytes,
    pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as kept_bytes, safe_wal_size as left_bytes
from pg_replication_slots where slot_name = %s and database = current_database()
"""
LIMITS: LiteralString = """
select current_setting('wal_level'), pg_size_bytes(case current_setting('max_slot_wal_keep_size')
    when '-1' then '0' else current_setting('max_slot_wal_keep_size') end)
"""
REACHED: LiteralString = """
select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots
where slot_name = %s and database = current_database()
"""
NUDGE: LiteralString = "select pg_logical_emit_message(true, 'heartbeat', '')"
MAKE_SLOT: LiteralString = "select pg_create_logical_replication_slot(%s, 'pgoutput')"
DROP_SLOT: LiteralString = "select pg_drop_replication_slot(%s)"
END_READER: LiteralString = (
    "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = %s"
)


class DatabaseLostError(TransientError):
    """PostgreSQL went away, or was too busy, in the middle."""


class Slot(msgspec.Struct, frozen=True):
    """`behind_bytes` is not captured yet; `left_bytes` may come beside the `kept_bytes` until the slot is lost."""

    active: bool
    wal_status: str
    behind_bytes: int | None
    kept_bytes: int | None
    left_bytes: int | None

    @property
    def lost(self) -> bool:
        return self.wal_status == "lost"


@contextmanager
def connected(dsn: str) -> Iterator[Connection]:
    """A connection that commits each statement; what it says when it is lost is ours to say."""
    try:
        connection = psycopg.connect(conninfo(dsn, "orderflow-cdc", statement_timeout="30s"), autocommit=True)
    except psycopg.Error as error:
        raise SetupError(f"no connection to PostgreSQL: {error}; start it, or mend ORDERFLOW_POSTGRES") from None
    try:
        yield connection
    except psycopg.OperationalError as error:
        raise DatabaseLostError(f"PostgreSQL did not do it: {error}; what was begun stands, so ask again") from error
    finally:
        connection.close()


def name_of(connection: Connection) -> str:
    """The one name of role, slot and connector; no other database of the server has it.

    Where it cannot be that of the database itself, which may be longer and of more letters, a digest tells them apart.
    """
    name = f"outbox_{connection.info.dbname}"
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())[:NAME_BYTES]
    # a slot that an older release has made is used on
    if plain == name or slot_of(connection, plain) is not None:
        return plain
    digest = blake2b(connection.info.dbname.encode(), digest_size=DIGEST_BYTES).hexdigest()
    return f"{plain[: NAME_BYTES - 1 - len(digest)]}_{digest}"


def slot_of(connection: Connection, name: str) -> Slot | None:
    """Of this database; one of another is none, whatever its name."""
    row = connection.execute(SLOT, (name,)).fetchone()
    return None if row is None else Slot(*row)


def has_captured(connection: Connection, name: str, lsn: str) -> bool:
    """Whether all that was committed before `lsn` is in Kafka: the connector tells the slot only afterwards."""
    (reached,) = connection.execute(REACHED, (lsn, name)).fetchone() or (None,)
    if reached is None:
        raise SetupError(
            "the replication slot is gone or lost; `orderflow outbox use relay --without-connect` goes back"
        )
    return bool(reached)


def nudge(connection: Connection) -> None:
    """After a start Debezium looks for its place until something is committed: in a database that rests, this is it."""
    connection.execute(NUDGE)


def check_limits(connection: Connection) -> int:
    """How many bytes a slot may keep; a `SetupError` where that has no limit, or nothing is kept at all."""
    level, limit = connection.execute(LIMITS).fetchone() or ("", 0)
    if level != "logical":
        raise SetupError(f"PostgreSQL runs with wal_level {level}; set it to logical and start it again")
    if not limit:
        raise SetupError(
            "PostgreSQL has no max_slot_wal_keep_size, so a connector that is away would fill its disk; "
            "set it, such as to 4GB"
        )
    return int(limit)


def ensure_role(connection: Connection, name: str, password: str) -> None:
    """The role can read the outbox and the log of changes; it gets this password."""
    role = sql.Identifier(name)
    exists = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
    make = "alter role {} login replication password {}" if exists else "create role {} login replication password {}"
    try:
        connection.execute(sql.SQL(make).format(role, password))
        connection.execute(sql.SQL("grant select on outbox to {}").format(role))
        # who may end its sessions
        connection.execute(sql.SQL("grant {} to current_user with inherit true").format(role))
    except psycopg.errors.InsufficientPrivilege as error:
        raise SetupError(
            f"the role {name} cannot be made: {error}; let an administrator run "
            f"`alter role {connection.info.user} createrole replication`"
        ) from None


def ensure_slot(connection: Connection, name: str) -> bool:
    """Whether it was made: then nothing of before is captured. One that is lost is replaced."""
    slot = slot_of(connection, name)
    if slot is not None and not slot.lost:
        return False
    if slot is not None:
        connection.execute(DROP_SLOT, (name,))
    try:
        connection.execute(MAKE_SLOT, (name,))
    except psycopg.errors.DuplicateObject as error:
        raise SetupError(f"{error}, of another database; drop it there, then `orderflow cdc up`") from None
    return True


def drop_slot(connection: Connection, name: str) -> None:
    """Whoever reads it is thrown out."""
    slot = slot_of(connection, name)
    if slot is None:
        return
    if slot.active:
        connection.execute(END_READER, (name,))
    connection.execute(DROP_SLOT, (name,))


def drop_role(connection: Connection, name: str) -> None:
    if connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone():
        role = sql.Identifier(name)
        connection.execute(sql.SQL("revoke all on outbox from {}").format(role))
        connection.execute(sql.SQL("drop role {}").format(role))
