"""Finds a small part of a failing list that still fails. Pure: how a part is tried is told to it."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT", bound=Hashable)


def smallest(items: Sequence[ItemT], fails: Callable[[tuple[ItemT, ...]], bool], tries: int) -> tuple[ItemT, ...]:
    """Drops halves, then quarters, and so on down to single items, as long as the rest fails.

    `fails` is asked `tries` times at most, and never about the whole list. What is answered has failed.
    """
    kept, size, clean = tuple(items), (len(items) + 1) // 2, set[tuple[ItemT, ...]]()
    while size:
        at = 0
        while at < len(kept):
            rest = kept[:at] + kept[at + size :]
            if rest not in clean and tries:
                tries -= 1
                if fails(rest):
                    kept = rest
                    continue
                clean.add(rest)
            at += size
        size = size // 2
    return kept
