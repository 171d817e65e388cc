"""What an event's record must be, to the byte, in sixteen bytes."""

import struct
from collections.abc import Iterable
from hashlib import blake2b

_LENGTH = struct.Struct(">i")


def digest(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Of all that a record has, whatever the order of its headers; another byte anywhere makes another digest."""
    parts = [key, value]
    for name, content in sorted(headers, key=lambda header: header[0]):
        parts += (name.encode(), content)
    sized = [_LENGTH.pack(-1) if part is None else _LENGTH.pack(len(part)) + part for part in parts]
    return blake2b(b"".join(sized), digest_size=16).digest()
