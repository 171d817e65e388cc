"""Shows the end of a process's log to a person."""

from pathlib import Path
from typing import Any

import msgspec

SHOWN = 8
READ_BYTES = 64 * 1024
WIDTH = 200
ERRORS = ("error", "exception", "detail", "reason")


def last_events(log: Path) -> str:
    """Its last events, one line each: time, level, event and error; a line that is no event as it is."""
    if not log.exists():
        return "  it is empty"
    content = log.read_bytes()
    lines = content[-READ_BYTES:].decode(errors="replace").splitlines()
    whole = lines[1:] if len(content) > READ_BYTES else lines  # the first one may have lost its begin
    shown = [_line(line) for line in whole if line.strip()][-SHOWN:]
    return "\n".join(f"  {line[:WIDTH]}" for line in shown) or "  it is empty"


def _line(line: str) -> str:
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return line
    moment = str(event.get("timestamp", ""))[11:19]
    said = [moment, event.get("level", ""), event.get("event", ""), _error(event)]
    return " ".join(str(part) for part in said if part)


def _error(event: dict[str, Any]) -> str:
    """What went wrong, in one line: the last one of a traceback."""
    found = next((str(event[name]) for name in ERRORS if event.get(name)), "")
    return found.strip().rpartition("\n")[2]
