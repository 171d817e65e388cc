"""The page about a new projection, followed to the letter on a system that has history."""

from collections.abc import Iterator

import pytest

from tests.docs.followed import Reader
from tests.docs.pages import ROOT, blocks
from tests.docs.running import Demo

PAGE = ROOT / "docs" / "new-projection.md"


@pytest.fixture(scope="module")
def reader(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One who has followed the whole page."""
    reading = Reader(demo, tmp_path_factory.mktemp("checkout"))
    try:
        for block in blocks(PAGE):
            reading.follow(block)
        yield reading
    finally:
        reading.stop()


def test_a_new_projection_equals_a_plain_fold_of_the_history(reader: Reader) -> None:
    assert len(reader.folded["times"]) >= 40
    assert reader.read["times"] == reader.folded["times"]


def test_a_table_added_to_a_topology_with_progress_is_refused_as_the_page_shows(reader: Reader) -> None:
    """The worker ends with code 2; its last words are those of the page, which wraps the line."""
    [(code, said, shown)] = reader.refusals
    assert code == 2
    assert " ".join(shown.split()) in " ".join(said.split())


def test_under_a_new_name_the_added_table_holds_the_whole_history_too(reader: Reader) -> None:
    assert len(reader.folded["sums"]) > 1
    assert reader.read["sums"] == reader.folded["sums"]
