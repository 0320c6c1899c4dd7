"""Shows how jobs get on: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.system.terminal import is_interactive

LINE_EVERY_S = 30.0  # where nobody watches a bar


class JobProgress:
    """On standard error. Use as a context manager; call it with what is done and what runs."""

    def __init__(self, title: str, total: int) -> None:
        console = Console(stderr=True)
        self._title, self._total = title, total
        self._live = is_interactive(sys.stderr)
        self._bars = Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not self._live,
        )
        self._task = self._bars.add_task("", total=total)
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, done: int, running: Sequence[str]) -> None:
        """Show that so many are done and these run."""
        self._bars.update(self._task, completed=done, description=", ".join(running))
        if not self._live and time.monotonic() - self._said > LINE_EVERY_S:
            self._said = time.monotonic()
            print(f"{self._title}: {done} of {self._total} done; {', '.join(running)}", file=sys.stderr, flush=True)
