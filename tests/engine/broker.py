"""Brings a killed broker back without the fault of its restart that leaves transactions open for ever."""

import signal

from app.embedded import processes
from app.embedded.kafka import KafkaServer
from tests.engine.log import until

FENCED = "Fencing broker 1"
LIMIT_S = 30.0


def kill(server: KafkaServer) -> None:
    """kill -9."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()


def revive(server: KafkaServer) -> None:
    """Start again after a kill.

    A broker that restarts first takes itself for the leader that it was, then is fenced for the sake of its former
    session: its partitions have no leader for a moment. The transaction coordinator takes such partitions for deleted
    and leaves out the markers of commits that were under way. So the former session is ended by the controller alone,
    before the broker starts.
    """
    settings = server.directory / "controller.properties"
    log = server.directory / "controller.log"
    lines = (server.directory / "server.properties").read_text().splitlines()
    changed = {"process.roles": "controller", "broker.session.timeout.ms": "200", "broker.heartbeat.interval.ms": "50"}
    kept = [line for line in lines if line.split("=")[0] not in (*changed, "listeners")]
    listeners = next(line for line in lines if line.startswith("listeners="))
    kept.append("listeners=" + listeners[listeners.index("CONTROLLER://") :])
    settings.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in changed.items())]) + "\n")
    log.write_text("")
    java = [*server._java[:1], "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.controller=info", *server._java[1:]]
    controller = processes.start([*java, "kafka.Kafka", str(settings)], directory=server.directory, log=log)
    try:
        until(lambda: FENCED in log.read_text(), LIMIT_S, "the end of the former session")
    finally:
        processes.end(controller, signal.SIGTERM, 10)
    server.start()
