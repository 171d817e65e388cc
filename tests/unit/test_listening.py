"""What processes serve HTTP on."""

import socket

import pytest

from app.cli.listening import listen
from app.config import Settings
from app.errors import SetupError


def test_answers_on_accepted_connections_go_out_at_once() -> None:
    with (
        listen(Settings(port=0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_refused_by_name() -> None:
    with listen(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"127.0.0.1:{port}.*ORDERFLOW_PORT"):
            listen(Settings(port=port))
