"""Every command of every page is run, or its arguments are held against what takes them."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.chaos import both_kinds, failing
from tests.chaos.seeded import __main__ as seeded
from tests.chaos.steps import __main__ as steps
from tests.docs.pages import ROOT, Block, blocks, pages
from tests.docs.running import Demo
from tests.docs.test_change_data_capture import PAGE as CHANGE_DATA_CAPTURE
from tests.docs.test_new_projection import PAGE as NEW_PROJECTION
from tests.simulation import __main__ as simulation

SHOWN = {"text", "mermaid"}
# these have a test that follows them
OF_THEIR_OWN = (CHANGE_DATA_CAPTURE, NEW_PROJECTION)
# what `make` hands arguments to
PARSERS = {
    "chaos": seeded.arguments,
    "failures": failing.arguments,
    "kills": steps.arguments,
    "sagas": both_kinds.arguments,
    "simulate": simulation.arguments,
}
MAKE = re.compile(r"(?:^|`)make (?P<target>[a-z]+)(?: ARGS=\"(?P<arguments>[^\"]*)\")?", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """The shell's blocks, without the lines that call `make`."""
    texts = [block.text for block in blocks(page) if block.language == "sh"]
    return [re.sub(r"^make .*\n", "", text, flags=re.MULTILINE) for text in texts]


def makes(page: Path) -> set[tuple[str, str]]:
    """(target, arguments) of what the page asks `make` for, in a block or in a sentence."""
    return {(asked["target"], asked["arguments"] or "") for asked in MAKE.finditer(page.read_text())}


@pytest.mark.parametrize("page", [page for page in pages() if page not in OF_THEIR_OWN], ids=lambda page: page.name)
def test_the_commands_of_a_page_work_one_after_another(page: Path, demo: Demo) -> None:
    """Those of `make` aside."""
    for text in commands(page):
        demo.terminal.run(text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_holds_only_blocks_that_are_followed_or_shown(page: Path) -> None:
    def is_followed(block: Block) -> bool:
        return block.language in SHOWN | {"sh"} or (page == NEW_PROJECTION and bool(block.names))

    assert [block for block in blocks(page) if not is_followed(block)] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_what_pages_ask_make_for_exists_and_takes_the_arguments(page: Path, demo: Demo) -> None:
    for target, arguments in makes(page):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
        if target == "demo" and arguments:
            demo.terminal.run(f".venv/bin/orderflow demo {arguments} --help")
        elif arguments:
            PARSERS[target]().parse_args(shlex.split(arguments))
