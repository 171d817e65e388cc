"""The REST API of Kafka Connect, as much of it as one connector needs. Blocks; every call has a limit."""

import json
import time
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec

from app.errors import SetupError, TransientError

ANSWER_S: Final = 10.0
# while workers share their work out anew, Connect refuses what would change it
REFUSED_S: Final = 60.0
PAUSE_S: Final = 0.2
NOT_NOW = {HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR}


class ConnectUnavailableError(TransientError):
    """Connect does not answer, or not yet."""


class Part(msgspec.Struct, frozen=True):
    """The connector, or a task of it; `trace` says why it has failed."""

    state: str
    trace: str = ""


class ConnectorStatus(msgspec.Struct, frozen=True):
    """What Connect says of a connector."""

    connector: Part
    tasks: list[Part] = []

    @property
    def state(self) -> str:
        """That of its only task, where it has one: the connector itself stays RUNNING when its task fails."""
        return self.tasks[0].state if self.tasks else self.connector.state

    @property
    def running(self) -> bool:
        return bool(self.tasks) and self.connector.state == self.state == "RUNNING"

    @property
    def stopped(self) -> bool:
        return not self.tasks and self.connector.state == "STOPPED"

    @property
    def trace(self) -> str:
        return next((part.trace for part in (self.connector, *self.tasks) if part.trace), "")


class Connect:
    """Speaks to the workers at `url` of one connector."""

    def __init__(self, url: str, connector: str) -> None:
        self.url, self._path = url.rstrip("/"), f"/connectors/{connector}"

    def check(self) -> None:
        """A `ConnectUnavailableError` when nobody answers."""
        self._ask("GET", "/connectors")

    def status(self) -> ConnectorStatus | None:
        """None: there is no such connector."""
        said = self._ask("GET", f"{self._path}/status")
        return None if said is None else msgspec.convert(said, ConnectorStatus)

    def configure(self, config: dict[str, str]) -> None:
        """Makes the connector, or changes it."""
        self._ask("PUT", f"{self._path}/config", config)

    def has_offsets(self) -> bool:
        """Whether it would go on from somewhere after a restart."""
        said = self._ask("GET", f"{self._path}/offsets")
        return bool(said and said["offsets"])

    def stop(self) -> None:
        """Its task ends, and stays so over restarts of the workers, until it is resumed."""
        self._ask("PUT", f"{self._path}/stop")

    def resume(self) -> None:
        self._ask("PUT", f"{self._path}/resume")

    def restart(self) -> None:
        """What has failed of it."""
        self._ask("POST", f"{self._path}/restart?includeTasks=true&onlyFailed=true")

    def forget_offsets(self) -> None:
        """Of a stopped connector."""
        self._ask("DELETE", f"{self._path}/offsets")

    def delete(self) -> None:
        self._ask("DELETE", self._path)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        """What it answers; None for what is not there. Asks again while Connect cannot do it at the moment."""
        until = time.monotonic() + REFUSED_S
        while True:
            try:
                return self._ask_once(method, path, body)
            except HTTPError as error:
                if error.code == HTTPStatus.NOT_FOUND:
                    return None
                message = _message(error)
                if error.code not in NOT_NOW:
                    raise SetupError(f"Kafka Connect refuses: {message}; mend it, then `orderflow cdc up`") from None
                if time.monotonic() > until:
                    raise ConnectUnavailableError(f"Kafka Connect cannot do it now: {message}; try again") from None
            except (URLError, OSError, ValueError) as error:
                raise ConnectUnavailableError(
                    f"Kafka Connect at {self.url} does not answer ({error}); start it, or mend ORDERFLOW_CONNECT"
                ) from None
            time.sleep(PAUSE_S)

    def _ask_once(self, method: str, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"content-type": "application/json"}, method=method)  # noqa: S310
        with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - a URL of the settings, checked there
            content = answer.read()
        return json.loads(content) if content else {}


def _message(error: HTTPError) -> str:
    content = error.read()
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {content[:500].decode(errors='replace')}"
