"""The embedded servers keep their data through any end, and nothing of theirs is left behind."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from app.embedded import wheel
from app.embedded.files import cache_directory
from app.embedded.stack import Stack
from app.errors import SetupError
from tests.commands import working_in
from tests.killing import kill
from tests.waiting import PATIENCE_S, until

PARENT = """
import sys, time
from pathlib import Path
from app.embedded.stack import Stack
stack = Stack(Path(sys.argv[1]))
stack.start()
print(stack.kafka.bootstrap, stack.postgres.dsn, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def stack(session_directory: Path) -> Iterator[Stack]:
    stack = Stack(session_directory / "stack")
    stack.start()
    yield stack
    stack.stop()


def commit_record(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.commit_transaction(PATIENCE_S)


def committed_records(bootstrap: str, topic: str) -> list[bytes | None]:
    """Those whose transaction is seen to have ended: its end is written after the answer to the commit."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    while (message := consumer.poll(PATIENCE_S)) is not None and message.error() is None:
        values.append(message.value())
    consumer.close()
    return values


def make_topic(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(PATIENCE_S)


def execute(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_killed_broker_comes_back_on_its_port_with_all_that_was_committed(
    stack: Stack, unique: Callable[[str], str]
) -> None:
    topic, bootstrap = unique("kept"), stack.kafka.bootstrap
    make_topic(bootstrap, topic)
    commit_record(bootstrap, topic, b"before")
    kill(stack.kafka)
    stack.kafka.restart()
    assert stack.kafka.bootstrap == bootstrap
    commit_record(bootstrap, topic, b"after")
    until(lambda: committed_records(bootstrap, topic) == [b"before", b"after"])


def test_a_killed_database_comes_back_on_its_port_with_all_that_was_committed(stack: Stack) -> None:
    dsn = stack.postgres.dsn
    execute(dsn, "create table kept (n int)")
    execute(dsn, "insert into kept values (1)")
    with psycopg.connect(dsn):  # a backend that its postmaster leaves alone
        kill(stack.postgres)
        stack.postgres.restart()
    assert stack.postgres.dsn == dsn
    assert execute(dsn, "select n from kept") == [(1,)]


def test_a_running_server_can_be_restarted(stack: Stack) -> None:
    stack.postgres.restart()
    assert execute(stack.postgres.dsn, "select 1") == [(1,)]


def test_a_second_start_is_refused_and_told_where_the_first_runs(stack: Stack) -> None:
    with pytest.raises(SetupError) as refusal:
        Stack(stack.directory).start()
    for part in (stack.directory, os.getpid(), stack.kafka.bootstrap, stack.postgres.address):
        assert str(part) in str(refusal.value)
    assert execute(stack.postgres.dsn, "select 1") == [(1,)]


def test_the_application_owns_its_database_and_no_other(stack: Stack) -> None:
    execute(stack.postgres.dsn, "create schema anything")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(stack.postgres.dsn, "create database another")


def test_the_application_can_hold_no_transaction_open(stack: Stack) -> None:
    limits = [("transaction_timeout", "30s"), ("idle_in_transaction_session_timeout", "10s")]
    assert [execute(stack.postgres.dsn, f"show {name}") for name, _ in limits] == [[(value,)] for _, value in limits]


def test_a_wrong_password_is_refused(stack: Stack) -> None:
    _, password = stack.postgres.dsn.rpartition("@")[0].rsplit(":", 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stack.postgres.dsn.replace(password, "guessed"))


def test_passwords_are_for_the_owner_alone(stack: Stack) -> None:
    assert stat.S_IMODE((stack.directory / "postgres.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((stack.directory / "postgres").stat().st_mode) == 0o700


def test_the_database_never_runs_as_root(stack: Stack) -> None:
    assert stack.postgres.process
    assert Path(f"/proc/{stack.postgres.process.pid}").stat().st_uid != 0


def test_topics_are_declared_and_keep_all_they_hold(stack: Stack, unique: Callable[[str], str]) -> None:
    topic = unique("settings")
    make_topic(stack.kafka.bootstrap, topic)
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    settings = admin.describe_configs([resource])[resource].result(PATIENCE_S)
    assert settings["retention.ms"].value == "-1"
    assert settings["max.message.bytes"].value == "1048588"
    assert unique("undeclared") not in admin.list_topics(unique("undeclared"), PATIENCE_S).topics


def test_a_killed_parent_leaves_no_process_and_a_later_start_goes_on_where_it_was(session_directory: Path) -> None:
    directory = session_directory / "parent"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, directory], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert parent.stdout
    bootstrap, dsn = parent.stdout.readline().decode().split()
    make_topic(bootstrap, "kept")
    commit_record(bootstrap, "kept", b"record")
    execute(dsn, "create table kept (n int)")
    assert working_in(directory) == ["java", "postgres"]
    parent.kill()
    parent.wait(PATIENCE_S)
    parent.stdout.close()
    until(lambda: working_in(directory) == [])

    later = Stack(directory)
    later.start()
    try:
        assert (later.kafka.bootstrap, later.postgres.dsn) == (bootstrap, dsn)
        # it may be the later broker that writes the end of its transaction
        until(lambda: committed_records(bootstrap, "kept") == [b"record"])
        assert execute(dsn, "select count(*) from kept") == [(0,)]
    finally:
        later.stop()
    assert working_in(directory) == []
    assert not (directory / "lock").exists()


def test_a_failing_start_leaves_neither_process_nor_lock(session_directory: Path) -> None:
    directory = session_directory / "failing"
    (directory / "postgres" / "data").mkdir(parents=True)
    with pytest.raises(SetupError, match=r"PostgreSQL in .* cannot start: .* is lost; remove"):
        Stack(directory).start()
    assert working_in(directory) == []
    assert not (directory / "lock").exists()


def test_erased_data_is_gone(session_directory: Path) -> None:
    stack = Stack(session_directory / "failing")
    stack.erase()
    try:
        assert not (stack.directory / "postgres").exists()
        stack.start()
        assert execute(stack.postgres.dsn, "select 1") == [(1,)]
    finally:
        stack.stop()


def test_a_broken_cache_of_classes_costs_nothing_but_time(
    session_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = session_directory / "cache" / "orderflow"
    cache.mkdir(parents=True)
    (cache / "jars").symlink_to(cache_directory() / "jars")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    server = Stack(session_directory / "cached").kafka

    def written() -> list[Path]:
        """A server that is told to end while the machine is busy may have had no time for it."""
        server.start()
        server.stop()
        return list(cache.glob("*.aot"))

    (made,) = until(written, "a cache of classes")
    content = bytearray(made.read_bytes())
    content[len(content) // 4 : -len(content) // 4] = bytes(len(content) - len(content) // 4 * 2)
    made.write_bytes(content)
    server.start()
    assert not made.exists()
    kill(server)


def test_programs_below_a_closed_directory_are_copied_whole(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").touch(0o755)
    assert not wheel.open_to_all(closed / "program")
    assert wheel.open_to_all(Path("/bin/sh"))

    copy = wheel.copied(wheel.packages(), tmp_path / "cache") / wheel.PACKAGE / wheel.INSTALLATION
    for program in ("postgres", "initdb"):
        answer = subprocess.run([copy / "bin" / program, "--version"], capture_output=True, check=True, text=True)
        assert "(PostgreSQL) 18" in answer.stdout
    assert all(path.stat().st_mode & 0o004 for path in copy.rglob("*"))
