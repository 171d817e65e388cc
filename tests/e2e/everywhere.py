"""Looks for words in all that a whole system keeps: its files, its topics, the rows of its tables, its database."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from psycopg import sql
from rocksdict import AccessType, Options, Rdict

from tests.e2e.whole_system import WholeSystem
from tests.waiting import PATIENCE_S

# offsets and times of records, in files of a fixed size
NUMBERS = {".index", ".timeindex"}


def places_of(system: WholeSystem, words: Iterable[str], copies: Path) -> dict[str, set[str]]:
    """Where each word stands: in plain, or in the hex of bytes."""
    sought = {word: (word.encode(), word.encode().hex().encode()) for word in words}
    found: dict[str, set[str]] = {word: set() for word in sought}
    directory = system.directory / ".orderflow"
    for place, content in (
        *_files(directory),
        *_rows(directory / "work", copies),
        *_topics(system.settings.kafka),
        *_tables(system.settings.postgres),
    ):
        for word, forms in sought.items():
            if any(form in content for form in forms):
                found[word].add(place)
    return found


def _files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """All files, but the ledgers: those are the carrier's own, and it has to know."""
    for path in directory.rglob("*"):
        if path.is_file() and path.suffix not in NUMBERS and not path.is_relative_to(directory / "work/carrier"):
            try:
                yield str(path), path.read_bytes()
            except FileNotFoundError:  # it was of use for a moment only
                continue


def _rows(work: Path, copies: Path) -> Iterator[tuple[str, bytes]]:
    """What is on the disk of each task, out of its compressed blocks."""
    for current in work.rglob("CURRENT"):
        copy = copies / current.parent.relative_to(work)
        shutil.copytree(current.parent, copy, ignore=shutil.ignore_patterns("LOCK"))
        store = Rdict(str(copy), Options(raw_mode=True), access_type=AccessType.read_only())
        for key, row in store.items():
            yield f"rows of {current.parent.name}", key + row
        store.close()


def _topics(kafka: str) -> Iterator[tuple[str, bytes]]:
    """All records, aborted ones too, out of their compressed batches."""
    settings = {"bootstrap.servers": kafka, "group.id": "seeker", "isolation.level": "read_uncommitted"}
    consumer = Consumer({**settings, "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0})
    topics = consumer.list_topics(timeout=PATIENCE_S).topics.values()
    places = [TopicPartition(topic.topic, number, OFFSET_BEGINNING) for topic in topics for number in topic.partitions]
    consumer.assign(places)
    left = {(place.topic, place.partition) for place in places}
    while left:
        message = consumer.poll(PATIENCE_S)
        assert message is not None, f"{left} were not read to their ends"
        if message.error() is None:
            headers = b"".join(name.encode() + (value or b"") for name, value in message.headers() or [])
            yield message.topic(), (message.key() or b"") + (message.value() or b"") + headers
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left.discard((message.topic(), message.partition()))
    consumer.close()


def _tables(dsn: str) -> Iterator[tuple[str, bytes]]:
    """All rows, out of what PostgreSQL compresses; those of partitions stand in their table too."""
    with psycopg.connect(dsn) as connection:
        kinds = "c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema)'"
        asked = f"select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = relnamespace where {kinds}"
        for schema, table in connection.execute(asked.encode()).fetchall():
            statement = sql.SQL("copy (select * from {}) to stdout (format binary)")
            with connection.cursor().copy(statement.format(sql.Identifier(schema, table))) as rows:
                yield f"{schema}.{table}", b"".join(bytes(row) for row in rows)
