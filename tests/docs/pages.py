"""Reads a page of the documentation as what a reader does with it: files, edits and commands, in order."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block: its language, the file or purpose that it names, its text."""

    language: str
    names: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = []
    for fence in FENCE.finditer(page.read_text()):
        language, _, names = fence["info"].partition(" ")
        found.append(Block(language, names.removeprefix("file="), fence["text"]))
    return found


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def edited(text: str, diff: str) -> str:
    """The text after each run of `-` lines was replaced by the `+` lines that follow; a ` ` line stays as it is."""
    for change in re.finditer(r"(?:^[- ].*\n)+(?:^\+.*\n)+", diff, re.MULTILINE):
        lines = change[0].splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in "- ")
        new = "".join(line[1:] for line in lines if line[0] in "+ ")
        assert text.count(old) == 1, f"the page replaces what is not there once:\n{old}"
        text = text.replace(old, new)
    return text
