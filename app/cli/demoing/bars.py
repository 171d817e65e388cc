"""What a person sees of a run while it goes on: one table, so that all bars stand below each other."""

from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

BAR_WIDTH = 24  # beside the longest words, numbers and time, on a terminal of 80 columns


class Count(Protocol):
    """Hears how many are done, and of how many, where that changes."""

    def __call__(self, done: int, of: int | None = None, /) -> None: ...


class _Done(MofNCompleteColumn):
    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class Bars(Progress):
    """Shown while it is entered."""

    def __init__(self, console: Console) -> None:
        words = TextColumn("{task.description}", markup=False)
        super().__init__(words, BarColumn(BAR_WIDTH), _Done(), TimeElapsedColumn(), console=console)

    def counting(self, what: str, total: int) -> Count:
        """A bar that is told how many are done."""
        bar = self.add_task(what, total=total)
        return lambda done, of=None: self.update(bar, completed=done, total=of)

    def working(self) -> tuple[Callable[[str], None], Callable[[str, int], None]]:
        """A bar of no known length: it is told what is being done, then, at last, what was and how many."""
        bar = self.add_task("", total=None)

        def done(what: str, count: int) -> None:
            self.update(bar, description=what, total=count, completed=count)

        return lambda what: self.update(bar, description=what), done
