"""What can happen to the files of a store: each does one thing to one of them, by chance."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

Damage: TypeAlias = Callable[[Path, Random], None]


def _any(store: Path, rng: Random) -> Path:
    return rng.choice(sorted(path for path in store.iterdir() if path.is_file()))


def overwritten(store: Path, rng: Random) -> None:
    path = _any(store, rng)
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content) or 1)
    content[at : at + 64] = rng.randbytes(64)
    path.write_bytes(content)


def a_bit_flipped(store: Path, rng: Random) -> None:
    path = _any(store, rng)
    content = bytearray(path.read_bytes() or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def half_written(store: Path, rng: Random) -> None:
    path = _any(store, rng)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(store: Path, rng: Random) -> None:
    _any(store, rng).write_bytes(b"")


def removed(store: Path, rng: Random) -> None:
    _any(store, rng).unlink()


DAMAGES: list[Damage] = [overwritten, a_bit_flipped, half_written, emptied, removed]
