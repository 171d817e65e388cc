"""Reads a compose file: as much of YAML as ours uses, so that no test needs a parser of all of it."""

import json
import re
from pathlib import Path
from typing import Any

Lines = list[tuple[int, str]]
KEY = re.compile(r"([\w./-]+|<<):(?: +(.*))?")


def read(path: Path) -> dict[str, Any]:
    """Block mappings and lists, scalars as text, `[...]` in JSON, anchors on keys, `<<` merges."""
    texts = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    lines = [(len(text) - len(text.lstrip()), text.strip()) for text in texts]
    found: dict[str, Any] = _mapping(lines, 0, {})
    assert not lines, f"not understood: {lines[0][1]}"
    return found


def _mapping(lines: Lines, indent: int, anchors: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while lines and lines[0][0] == indent:
        _, text = lines.pop(0)
        match = KEY.fullmatch(text)
        assert match, f"not understood: {text}"
        key, rest = match[1], match[2] or ""
        if key == "<<":
            found = anchors[rest.removeprefix("*")] | found
            continue
        value = _value(rest, lines, indent, anchors)
        if rest.startswith("&"):
            anchors[rest[1:]] = value
        found[key] = value
    return found


def _value(rest: str, lines: Lines, indent: int, anchors: dict[str, Any]) -> Any:
    if rest and not rest.startswith("&"):
        return json.loads(rest) if rest[0] in '["' else rest
    if not lines or lines[0][0] <= indent:
        return None
    inner = lines[0][0]
    return _list(lines, inner) if lines[0][1].startswith("- ") else _mapping(lines, inner, anchors)


def _list(lines: Lines, indent: int) -> list[str]:
    found = []
    while lines and lines[0][0] == indent:
        found.append(lines.pop(0)[1].removeprefix("- "))
    return found
