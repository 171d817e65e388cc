"""A relay that waits is woken by appends, however their notification reaches it."""

import os
import socket
from threading import Thread

import psycopg

from app.eventstore.outbox import NOTIFY
from app.eventstore.shard import wait_for_append
from tests.waiting import until

LONG_S, SOON_S = 60.0, 20.0


def _arrived(wire: socket.socket) -> bytes:
    """What is there to be read, and stays there."""
    try:
        return wire.recv(4096, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


def test_an_append_that_was_read_together_with_an_answer_is_not_waited_for(database: str) -> None:
    with (
        psycopg.connect(database, autocommit=True) as listener,
        psycopg.connect(database, autocommit=True) as appender,
        socket.socket(fileno=os.dup(listener.fileno())) as wire,
    ):
        listener.execute("listen outbox")
        listener.pgconn.send_query(b"select 1")
        until(lambda: b"SELECT 1" in _arrived(wire))
        appender.execute(NOTIFY)
        until(lambda: b"outbox" in _arrived(wire))
        # as psycopg ends a query
        listener.pgconn.consume_input()
        while listener.pgconn.get_result():
            pass
        waiting = Thread(target=wait_for_append, args=(listener, LONG_S), daemon=True)
        waiting.start()
        waiting.join(SOON_S)
        assert not waiting.is_alive()
