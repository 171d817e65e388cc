"""Ends what a killed broker's registration still claims, before the broker starts again.

A broker that restarts takes itself for the leader that it was, then is fenced for the sake of its former session: its
partitions have no leader for a moment. The transaction coordinator takes such partitions for deleted and leaves out
the markers of commits that were under way, so that those transactions stay open for ever. So the controller alone is
started first, until it has fenced the former session.
"""

import signal
import time
from collections.abc import Sequence
from pathlib import Path

from app.embedded import processes

FENCED = "Fencing broker 1"
LIMIT_S = 15.0  # a broker that was fenced before it was killed is not fenced again
LOOK_S = 0.05
IMPATIENT = {
    "process.roles": "controller",
    "broker.session.timeout.ms": "200",
    "broker.heartbeat.interval.ms": "50",
}


def is_needed(directory: Path) -> bool:
    """Whether the broker has run here and did not end cleanly."""
    return (directory / "formatted").exists() and not (directory / "log" / ".kafka_cleanshutdown").exists()


def end_former_session(java: Sequence[str], directory: Path, settings: Path) -> None:
    """Run the controller until it has fenced the broker's former session, within a limit."""
    own, log = directory / "controller.properties", directory / "controller.log"
    own.write_text(_controller_only(settings.read_text().splitlines()))
    log.write_text("")
    told = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.controller=info"
    controller = processes.start([java[0], told, *java[1:], "kafka.Kafka", str(own)], directory=directory, log=log)
    try:
        deadline = time.monotonic() + LIMIT_S
        while FENCED not in log.read_text() and controller.poll() is None and time.monotonic() < deadline:
            time.sleep(LOOK_S)
    finally:
        processes.end(controller, signal.SIGTERM, LIMIT_S)


def _controller_only(lines: Sequence[str]) -> str:
    kept = [line for line in lines if line.split("=")[0] not in (*IMPATIENT, "listeners")]
    listeners = next(line for line in lines if line.startswith("listeners="))
    kept.append("listeners=" + listeners[listeners.index("CONTROLLER://") :])
    return "\n".join([*kept, *(f"{name}={value}" for name, value in IMPATIENT.items())]) + "\n"
