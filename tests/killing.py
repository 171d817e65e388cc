"""Kills a server; what comes back is its own business."""

from app.embedded.server import Server


def kill(server: Server) -> None:
    """kill -9."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()
