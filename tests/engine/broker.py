"""Kills a broker; what comes back is the server's own business."""

from app.embedded.kafka import KafkaServer


def kill(server: KafkaServer) -> None:
    """kill -9."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()
