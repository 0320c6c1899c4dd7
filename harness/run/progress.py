"""Shows the progress of cells: bars on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from harness.run.execute import Progress as OnProgress
from harness.system.progress import LINE_EVERY_S
from harness.system.terminal import is_interactive
from harness.trace.parts import WHOLE, Part, StepNumbers


class CellProgress:
    """One row per cell, on standard error. Use as a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = is_interactive(sys.stderr)
        self._bars = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._live,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    @contextmanager
    def preparing(self, name: str, state: str = "emitting and compiling", done: str = "prepared") -> Iterator[None]:
        """While a cell's program is emitted and compiled, or something else goes on that has no steps to show."""
        task = self._bars.add_task(name, total=None, state=state)
        started = time.monotonic()
        try:
            yield
        finally:
            self._bars.remove_task(task)
        if not self._live and time.monotonic() - started > 1:
            self._say(f"{name}: {done} in {time.monotonic() - started:.0f} s")

    @contextmanager
    def running(self, name: str, steps: int | None, parts: Sequence[Part] = WHOLE) -> Iterator[OnProgress]:
        """While a cell runs; gives the function that takes its progress. `parts`: of the run, that it takes."""
        numbers = StepNumbers(parts)
        task = self._bars.add_task(name, total=steps, state="starting")
        first: tuple[int, float] | None = None
        said = time.monotonic()

        def on_progress(step: int, loss: float, seconds: float) -> None:
            nonlocal first, said
            step = int(numbers.rows_of(np.array([step]))[0]) + 1
            if first is None:
                first = step, seconds
            done, since = step - first[0], seconds - first[1]
            speed = f"{done / since:.1f} steps/s" if since > 0 else "-"
            self._bars.update(task, completed=step, state=f"{speed}  loss {loss:.6f}")
            if not self._live and (step == steps or time.monotonic() - said > LINE_EVERY_S):
                said = time.monotonic()
                self._say(f"{name}: step {step} of {steps or '?'}, {speed}, loss {loss:.6f}")

        yield on_progress

    @staticmethod
    def _say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
