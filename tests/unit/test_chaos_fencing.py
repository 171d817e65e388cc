"""Records of a stale owner are found in the bytes of a partition."""

import struct
from pathlib import Path

import pytest

from tests.chaos.seeded.fencing import Written, batches, partition, stale

BODY = b"whatever follows the header of a batch"


def batch(offset: int, producer: int, epoch: int) -> bytes:
    """A batch of Kafka's format 2, as far as it is looked at."""
    after_length = struct.pack(">ibIhiqqqhii", 0, 2, 0, 0x10, 0, 0, 0, producer, epoch, 0, 1) + BODY
    return struct.pack(">qi", offset, len(after_length)) + after_length


def test_batches_are_read_with_who_wrote_them_and_others_are_passed_over() -> None:
    segment = batch(0, 7, 0) + batch(5, -1, -1) + batch(6, 7, 1)
    assert list(batches(segment)) == [Written(0, 7, 0), Written(6, 7, 1)]


@pytest.mark.parametrize("cut", [1, len(BODY), len(BODY) + 30])
def test_a_batch_that_is_being_written_is_left_out(cut: int) -> None:
    assert list(batches((batch(0, 7, 0) + batch(1, 7, 0))[:-cut])) == [Written(0, 7, 0)]


def test_the_segments_of_a_partition_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000010.log").write_bytes(batch(10, 7, 1))
    (tmp_path / "00000000000000000000.log").write_bytes(batch(0, 7, 0))
    assert [one.offset for one in partition(tmp_path)] == [0, 10]


def test_owners_one_after_the_other_are_not_stale() -> None:
    assert stale([Written(0, 7, 0), Written(1, 7, 0), Written(2, 7, 2), Written(3, 9, 0), Written(4, 9, 1)]) == []


def test_a_record_of_an_earlier_epoch_is_stale() -> None:
    late = Written(2, 7, 0)
    assert stale([Written(0, 7, 0), Written(1, 7, 1), late, Written(3, 7, 1)]) == [late]


def test_a_record_of_a_producer_that_had_a_successor_is_stale() -> None:
    late = Written(2, 7, 5)
    assert stale([Written(0, 7, 5), Written(1, 8, 0), late, Written(3, 8, 0)]) == [late]
