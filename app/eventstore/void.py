"""Which records of the topic do not count, because a repair has made them good."""

from collections import defaultdict
from typing import LiteralString, TypeAlias

import psycopg

from app.eventstore.port import StoreUnavailableError
from app.eventstore.session import conninfo

# their offsets, by topic and partition
VoidRecords: TypeAlias = dict[tuple[str, int], frozenset[int]]

ALL: LiteralString = 'select topic, partition, "offset" from void_records'


def void_records(dsn: str) -> VoidRecords:
    """All of them; a `StoreUnavailableError` within some seconds. Blocks."""
    found: dict[tuple[str, int], set[int]] = defaultdict(set)
    try:
        with psycopg.connect(conninfo(dsn, "orderflow-void", statement_timeout="5s")) as connection:
            for topic, partition, offset in connection.execute(ALL):
                found[topic, partition].add(offset)
    except psycopg.Error as error:
        raise StoreUnavailableError(f"PostgreSQL did not say which records are void: {error}") from error
    return {place: frozenset(offsets) for place, offsets in found.items()}
