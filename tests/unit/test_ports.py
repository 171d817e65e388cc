"""Servers come back on the ports that they had."""

import socket
from pathlib import Path

from app.embedded.ports import free_ports, listening


def test_a_free_preferred_port_is_kept() -> None:
    ports = free_ports(0, 0)
    assert free_ports(*ports) == ports


def test_a_taken_port_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert listening(taken)
        assert free_ports(taken) != [taken]


def test_ports_chosen_together_are_different() -> None:
    (port,) = free_ports(0)
    assert len({*free_ports(port, port)}) == 2


def test_no_outgoing_connection_can_be_given_a_chosen_port() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < lowest or lowest <= 12_000 for port in free_ports(*[0] * 20))


def test_nobody_listens_on_a_free_port() -> None:
    assert not any(listening(port) for port in free_ports(0, 0))
