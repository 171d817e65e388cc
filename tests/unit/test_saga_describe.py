"""The pictures of sagas are those of their definitions, on the page too."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.saga import cli
from app.domain.fulfilment_saga import FULFILMENT_V1
from app.sagas.definition import Definition
from app.sagas.describe import as_mermaid, as_text
from tests.unit.saga_trip import TRIP

# after a wanted change: put what `orderflow saga describe --format text|mermaid` prints between the markers again
PAGE = Path(__file__).parents[2] / "docs" / "sagas.md"

each_saga = pytest.mark.parametrize("saga", [FULFILMENT_V1, TRIP], ids=lambda saga: saga.name)


def printed(form: str) -> str:
    result = CliRunner().invoke(cli, ["describe", "--format", form])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("form", ["text", "mermaid"])
def test_the_page_shows_what_the_command_prints(form: str) -> None:
    [shown] = re.findall(rf"<!-- describe {form} -->\n```{form}\n(.*?)```\n<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert shown == printed(form)


@each_saga
def test_both_name_every_command_and_the_replies_that_lead_on(saga: Definition) -> None:
    text, mermaid = as_text(saga), as_mermaid(saga)
    asks = [ask for step in saga.steps for _, ask in step.asks()]
    assert [ask.command for ask in asks if ask.command not in text or ask.command not in mermaid] == []
    replies = [name for ask in asks for name, _ in ask.replies()]
    assert [name for name in replies if name not in text] == []
    assert [name for ask in asks for name in ask.done if name not in mermaid] == []


@each_saga
def test_every_state_of_the_diagram_can_be_reached_and_left(saga: Definition) -> None:
    arrows = re.findall(r"^  (\S+) --> (\S+?)(?::.*)?$", as_mermaid(saga), re.MULTILINE)
    reached, left = {target for _, target in arrows}, {source for source, _ in arrows}
    assert reached == left


def test_the_diagram_of_a_trip() -> None:
    """Steps go back to the undoing of what was done; from the pivot on there is only an operator."""
    arrows = [line.strip() for line in as_mermaid(TRIP).splitlines() if "-->" in line]
    assert arrows[:6] == [
        "[*] --> do_hotel",
        "do_hotel --> do_flight: book-hotel:done",
        "do_hotel --> back_at_the_begin: book-hotel:refused",
        "do_hotel --> undo_hotel: book-hotel:failed or no reply or deadline",
        "do_flight --> do_pay: book-flight:done",
        "do_flight --> undo_hotel: book-flight:refused",
    ]
