"""Logs are one line of JSON each, on stderr, and hold no local variables."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.observability.log import logger, setup


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_an_event_name_plus_fields_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    setup("info", json=True)
    logger("relay").info("relay.published", events=3)
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "relay.published", "events": 3, "level": "info", "logger": "relay"}


def test_lines_of_libraries_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    setup("info", json=True)
    logging.getLogger("sqlalchemy").warning("pool %s", "full")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"]) == ("pool full", "sqlalchemy")


def test_lines_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    setup("warning", json=True)
    logger("relay").info("relay.published")
    assert lines(capsys) == []


def test_a_traceback_holds_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    setup("info", json=True)
    secret = "-".join(["hunter", "2"])
    try:
        raise ValueError(len(secret))
    except ValueError:
        logger("relay").exception("relay.failed")
    (line,) = lines(capsys)
    assert "ValueError: 8" in line["exception"]
    assert secret not in line["exception"]


def test_a_library_says_the_same_thing_seldom_and_we_do_always(capsys: pytest.CaptureFixture[str]) -> None:
    setup("info", json=True)
    for node in range(3):
        logging.getLogger("aiokafka.client").error("no connection to node %s", node)
        logging.getLogger("aiokafka.client").error("no metadata of node %s", node)
        logger("relay").error("relay.failed", node=node)
    said = [line["event"] for line in lines(capsys)]
    assert [said.count(event) for event in ("no connection to node 0", "no metadata of node 0", "relay.failed")] == [
        1,
        1,
        3,
    ]
    assert len(said) == 5
