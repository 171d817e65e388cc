"""Shows a run to a person: progress on stderr, results as a table on stdout."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar; the value is told how many are done."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def show(title: str, values: Mapping[str, object]) -> None:
    """One line a value; a value that has parts shows them below it."""
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column()
    table.add_column(justify="right")
    for name, value in values.items():
        parts = value if isinstance(value, Mapping) else None
        table.add_row(Text(_words(name)), Text("" if parts is not None else _number(value)))
        for part, number in (parts or {}).items():
            table.add_row(Text(f"  {_words(part)}"), Text(_number(number)))
    Console().print(table)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: object) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
