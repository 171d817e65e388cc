"""What an alert is, and where it can be sent."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

import msgspec

from app.errors import PermanentError, TransientError


class AlertUndeliveredError(TransientError):
    """The receiver did not take the alert, however often it was tried; send it again later."""


class AlertRefusedError(PermanentError):
    """The receiver will never take this alert; mend its address or its secret."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """`cause` tells this alert from others, `details` only explain it. `raised_at` is microseconds, UTC."""

    name: str
    cause: Mapping[str, str]
    details: Mapping[str, str]
    raised_at: int

    @property
    def id(self) -> str:
        """The same for the same cause, in every process, however often it is evaluated."""
        return hashlib.sha256(msgspec.json.encode([self.name, sorted(self.cause.items())])).hexdigest()[:32]


class Alerts(Protocol):
    """Where alerts go. Each is delivered once, however often it is sent to the same object."""

    async def send(self, alert: Alert) -> None:
        """Raises `AlertUndeliveredError` or `AlertRefusedError`; the alert can then be sent again."""
        ...

    async def close(self) -> None: ...


def body(alert: Alert) -> bytes:
    """The alert as JSON; equal alerts have equal bytes."""
    return msgspec.json.encode(
        {
            "id": alert.id,
            "name": alert.name,
            "severity": "critical",
            "raised_at": alert.raised_at,
            "cause": alert.cause,
            "details": alert.details,
        },
        order="sorted",
    )
