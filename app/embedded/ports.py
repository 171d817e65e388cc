"""Picks loopback ports for servers that must come back on the same port."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
FIRST = 10_240
LAST = 60_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(*preferred: int) -> list[int]:
    """As many different free ports as are preferred; each the preferred one (0 = any) when nobody listens there.

    None of those that the kernel gives to outgoing connections: while a server restarts, a client that retries could
    otherwise be connected to itself, on the server's port.
    """
    ports: list[int] = []
    for port in preferred:
        while port in (0, *ports) or not is_free(port):
            port = random.randint(FIRST, _last())  # noqa: S311, PLW2901 - not a secret
        ports.append(port)
    return ports


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def listening(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _last() -> int:
    try:
        lowest = int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return LAST
    return lowest - 1 if lowest > FIRST + 1_000 else LAST
