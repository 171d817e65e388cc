"""Ends what a killed broker's registration still claims, before the broker starts again.

A broker that restarts takes itself for the leader that it was, then is fenced for the sake of its former session: its
partitions have no leader for a moment. The transaction coordinator takes such partitions for deleted and leaves out
the markers of commits that were under way, so that those transactions stay open for ever. So the controller alone is
started first, until the former session is fenced on disk.
"""

import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from app.embedded import processes
from app.errors import SetupError

LIMIT_S = 120.0  # a second or two, on a machine that has time for it
STOP_S = 15.0
LOOK_S = 0.05
ACTIVE = "Becoming the active controller"
# what the controller tells of the records that it replays: a registration, and what was changed of it
REGISTRATION = re.compile(
    r"RegisterBrokerRecord\(brokerId=1\b.*\bfenced=(true|false)\b"
    r"|BrokerRegistrationChangeRecord\(brokerId=1\b.*\bfenced=(-?1)\b"
)
IMPATIENT = {
    "process.roles": "controller",
    "broker.session.timeout.ms": "200",
    "broker.heartbeat.interval.ms": "50",
}


def is_needed(directory: Path) -> bool:
    """Whether the broker has run here and did not end cleanly."""
    return (directory / "formatted").exists() and not (directory / "log" / ".kafka_cleanshutdown").exists()


class Run(Protocol):
    """Starts a program of the broker's jars; it writes to `log`."""

    def __call__(self, *program: str, log: Path) -> "subprocess.Popen[bytes]": ...


def end_former_session(run: Run, directory: Path, settings: Path) -> None:
    """Run the controller until the broker is fenced; a `SetupError` when that does not happen within the limit."""
    own, log = directory / "controller.properties", directory / "controller.log"
    own.write_text(_controller_only(settings.read_text().splitlines()))
    log.write_text("")
    told = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.controller=info"
    controller = run(told, "kafka.Kafka", str(own), log=log)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not is_fenced(log.read_text()):
            if controller.poll() is not None or time.monotonic() > deadline:
                raise SetupError(
                    f"Kafka's controller did not end the session of the broker that was killed; the end of {log}:\n"
                    f"{processes.tail(log)}"
                )
            time.sleep(LOOK_S)
    finally:
        processes.end(controller, signal.SIGTERM, STOP_S)


def is_fenced(told: str) -> bool:
    """Whether the active controller holds broker 1 for fenced, or has never known it, by what it told."""
    if ACTIVE not in told:
        return False
    states = REGISTRATION.findall(told)
    return not states or states[-1] in (("true", ""), ("", "1"))


def _controller_only(lines: Sequence[str]) -> str:
    kept = [line for line in lines if line.split("=")[0] not in (*IMPATIENT, "listeners")]
    listeners = next(line for line in lines if line.startswith("listeners="))
    kept.append("listeners=" + listeners[listeners.index("CONTROLLER://") :])
    return "\n".join([*kept, *(f"{name}={value}" for name, value in IMPATIENT.items())]) + "\n"
