"""Ready-made binary arrays: psycopg's general list dumper costs several times as much in the path of every append."""

import struct
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_LENGTH = struct.Struct("!i")


class Uuids(list[UUID]):
    """`uuid[]`"""


class Integers(list[int]):
    """`int4[]`"""


class Texts(list[bytes]):
    """`text[]`, each in UTF-8"""


class Blobs(list[bytes]):
    """`bytea[]`"""


def _uuids(values: list[UUID]) -> bytes:
    return b"".join([b"\0\0\0\x10" + value.bytes for value in values])


def _integers(values: list[int]) -> bytes:
    return struct.pack("!" + "ii" * len(values), *[part for value in values for part in (4, value)])


def _sized(values: list[bytes]) -> bytes:
    return b"".join([_LENGTH.pack(len(value)) + value for value in values])


def _dumper(array_oid: int, element_oid: int, body: Callable[[Any], bytes]) -> type[Dumper]:
    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: list[Any]) -> bytes:
            return _HEADER.pack(1, 0, element_oid, len(obj), 1) + body(obj)

    return ArrayDumper


_DUMPERS = {
    Uuids: _dumper(2951, 2950, _uuids),
    Integers: _dumper(1007, 23, _integers),
    Texts: _dumper(1009, 25, _sized),
    Blobs: _dumper(1001, 17, _sized),
}


def register_arrays(connection: AsyncConnection[Any]) -> None:
    for kind, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(cast("type", kind), dumper)
