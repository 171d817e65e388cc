"""What can happen to the files of a store: each does one thing to one of them, by chance, of those of a pattern."""

from pathlib import Path
from random import Random
from typing import Protocol


class Damage(Protocol):
    def __call__(self, store: Path, rng: Random, files: str = "*") -> None: ...


def _any(store: Path, rng: Random, files: str) -> Path:
    return rng.choice(sorted(path for path in store.glob(files) if path.is_file()))


def overwritten(store: Path, rng: Random, files: str = "*") -> None:
    path = _any(store, rng, files)
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content) or 1)
    content[at : at + 64] = rng.randbytes(64)
    path.write_bytes(content)


def a_bit_flipped(store: Path, rng: Random, files: str = "*") -> None:
    path = _any(store, rng, files)
    content = bytearray(path.read_bytes() or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def half_written(store: Path, rng: Random, files: str = "*") -> None:
    path = _any(store, rng, files)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(store: Path, rng: Random, files: str = "*") -> None:
    _any(store, rng, files).write_bytes(b"")


def removed(store: Path, rng: Random, files: str = "*") -> None:
    _any(store, rng, files).unlink()


DAMAGES: list[Damage] = [overwritten, a_bit_flipped, half_written, emptied, removed]
