"""Some cases or pairs one after another: `python -m harness.validation.power.worker ORDER`, in JSON.

Rows go to the journal one by one, so that a compiler that crashes or hangs takes one row with it and no other.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import HarnessError
from harness.system.jobs import answer
from harness.validation.power.journal import Journal, Row


@dataclass(frozen=True)
class Order:
    """The names to examine: of mutants, of clean pairs, or of faults to be localized."""

    kind: str
    names: tuple[str, ...]
    journal: str


def examined(kind: str, name: str) -> Any:
    """The finding on one name. Raises: HarnessError when it cannot be made."""
    from harness.validation.power import clean, examination, localization
    from harness.validation.power.faults import CASES

    if kind == "clean":
        return clean.examine_pair(next(pair for pair in clean.PAIRS if pair.name == name))
    case = next(case for case in CASES if case.name == name)
    return localization.place(case) if kind == "localization" else examination.examine(case)


def work(examine: Callable[[str, str], Any]) -> None:
    """Examine what is ordered, by kind and name, and say how many rows that made."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    journal = Journal(Path(order.journal))
    for name in order.names:
        started = time.monotonic()
        finding, trouble = None, ""
        try:
            finding = msgspec.to_builtins(examine(order.kind, name))
        except HarnessError as error:
            trouble = str(error)
        journal.write(Row(order.kind, name, finding, trouble, round(time.monotonic() - started, 1)))
    answer(len(order.names))


if __name__ == "__main__":
    work(examined)
