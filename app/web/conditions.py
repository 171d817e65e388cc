"""Reads the headers that make a command safe to send: `If-Match` and `Idempotency-Key`; writes those that answer it."""

import hashlib
import re
from uuid import UUID, uuid4, uuid5

from app.web.problem import ProblemError

KEY_LENGTH = 200

_KEYS = UUID("5b0f1c52-6a53-5f0e-9a86-0d3f9f4b6a11")
_ETAG = re.compile(r'"(\d{1,9})"|(\d{1,9})')
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def expected_version(if_match: str | None) -> int | None:
    """The version that the order must have, from `"3"`; None: whatever it has (no header, or `*`)."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        detail = 'If-Match takes one version as it stands in an ETag, like "3"; read the order and send its ETag'
        raise ProblemError("REQUEST_UNREADABLE", detail)
    return int(match[1] or match[2])


def command_id(idempotency_key: str | None) -> UUID:
    """The id of the command: the same for the same key, another for each command without one."""
    if idempotency_key is None:
        return uuid4()
    if len(idempotency_key) > KEY_LENGTH or not _KEY.fullmatch(idempotency_key):
        detail = f"Idempotency-Key takes 1 to {KEY_LENGTH} printable ASCII characters; a UUID is a good one"
        raise ProblemError("REQUEST_UNREADABLE", detail)
    return uuid5(_KEYS, idempotency_key)


def fingerprint(operation: str, payload: str) -> bytes:
    """Tells commands apart that were sent under one key."""
    return hashlib.sha256(f"{operation}\n{payload}".encode()).digest()


def etag(version: int) -> str:
    return f'"{version}"'


def consistency_token(order_id: str, version: int) -> str:
    """What a read must have seen to be no older than the command that was answered with it."""
    return f"{order_id}:{version}"
