"""Finds records that a stale owner wrote after its successor's first, by the producers named in a broker's files."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# base offset, length, leader epoch, magic, crc, attributes, last delta, two timestamps, producer, its epoch
HEADER = struct.Struct(">qiibIhiqqqh")
BEFORE_LENGTH_COUNTS = 12
NO_PRODUCER = -1


class Written(NamedTuple):
    """One record batch, or one marker of a transaction, and who wrote it."""

    offset: int
    producer: int
    epoch: int


def batches(segment: bytes) -> Iterator[Written]:
    """What a segment of a partition holds, in order; a part of a batch at its end is left out."""
    at = 0
    while at + HEADER.size <= len(segment):
        offset, length, _, _, _, _, _, _, _, producer, epoch = HEADER.unpack_from(segment, at)
        at += BEFORE_LENGTH_COUNTS + length
        if at <= len(segment) and producer != NO_PRODUCER:
            yield Written(offset, producer, epoch)


def stale(written: Iterable[Written]) -> list[Written]:
    """Those of an owner after whose successor's first they come: every owner has a new producer, or a later epoch."""
    found: list[Written] = []
    newest: dict[int, int] = {}
    owner: int | None = None
    for one in written:
        is_back = one.producer in newest and one.producer != owner
        if is_back or one.epoch < newest.get(one.producer, one.epoch):
            found.append(one)
            continue
        owner, newest[one.producer] = one.producer, one.epoch
    return found


def partition(replica: Path) -> Iterator[Written]:
    """All of a partition, from the directory of one of its replicas."""
    for segment in sorted(replica.glob("*.log")):
        yield from batches(segment.read_bytes())
