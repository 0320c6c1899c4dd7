"""Progress of a fetch: a bar on a terminal, plain lines elsewhere, nothing if so wished."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from harness.system.terminal import is_interactive


class Reporter(Protocol):
    """Says lines, and counts the bytes of one file at a time."""

    def say(self, line: str) -> None:
        """One line."""

    def start(self, what: str, total: int) -> Callable[[int], None]:
        """A file begins; the function is called with the number of bytes of each chunk."""


class _Lines:
    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def say(self, line: str) -> None:
        if self._enabled:
            print(line, file=sys.stderr, flush=True)

    def start(self, what: str, total: int) -> Callable[[int], None]:
        del what, total
        return lambda _count: None


@contextmanager
def reporting(enabled: bool) -> Iterator[Reporter]:
    """The reporter that suits standard error."""
    if not (enabled and is_interactive(sys.stderr)):
        yield _Lines(enabled)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )

    class Bar:
        def say(self, line: str) -> None:
            bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

        def start(self, what: str, total: int) -> Callable[[int], None]:
            task = bar.add_task(what, total=total)
            return lambda count: bar.advance(task, count)

    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Bar()
