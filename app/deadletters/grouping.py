"""Decides which letters died of the same: pure, and the same for every process and at any time."""

import hashlib
import re
from functools import lru_cache

import msgspec

STACK_LIMIT = 4096
LINES_KEPT = 4096  # letters of one bug have all lines in common but the message

# first what may hold anything, then what may be part of it; an id may look like a number, so both become the same
_PARTS = (
    (re.compile(r"""b?'(?:[^'\\\n]|\\.)*'|b?"(?:[^"\\\n]|\\.)*\""""), "<text>"),
    (re.compile(r"(?:[\w.~-]*[/\\])+(?=[^\s/\\])"), ""),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\b"), "<n>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<n>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{6,}\b"), "<n>"),
    (re.compile(r"[-+]*(?:\d+(?:[.,]\d+)*|<n>)"), "<n>"),
)
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]*)", line \d+(?:, in (?P<function>.+))?$')
_MARKS = re.compile(r"^[\s~^]+$")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What all letters of a group have in common. `stack` is normalised, `group` is the consumer group."""

    exception: str
    stack: str
    topic: str
    schema: str
    group: str

    @property
    def id(self) -> str:
        parts = (self.exception, self.stack, self.topic, self.schema, self.group)
        return hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()[:16]


def normalised(stack: str) -> str:
    """The stack without what differs between two letters of one bug: line numbers, ids, values, places of files.

    A stack is cut at its beginning when it is long, so its last lines are what counts.
    """
    lines = [_line(line) for line in stack.splitlines() if line.strip() and not _MARKS.match(line)]
    return "\n".join(lines)[-STACK_LIMIT:]


@lru_cache(LINES_KEPT)
def _line(line: str) -> str:
    if frame := _FRAME.match(line):
        file = re.split(r"[/\\]", frame["path"])[-1]
        return f"{file} in {frame['function'] or '?'}"
    return words(line.strip())


def words(text: str) -> str:
    """A message without the values in it."""
    for pattern, instead in _PARTS:
        text = pattern.sub(instead, text)
    return text
