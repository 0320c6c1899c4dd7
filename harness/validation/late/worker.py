"""Some late faults or whole pairs one after another: `python -m harness.validation.late.worker ORDER`, in JSON."""

from harness.validation.late.examination import WHOLE_PAIRS, LateFinding, examine_late, examine_whole
from harness.validation.late.faults import LATE_CASES
from harness.validation.power.worker import work


def examined_late(kind: str, name: str) -> LateFinding:
    """The finding on one name of a kind. Raises: HarnessError when it cannot be made."""
    if kind == "whole":
        return examine_whole(next(pair for pair in WHOLE_PAIRS if pair.name == name))
    return examine_late(next(case for case in LATE_CASES if case.name == name))


if __name__ == "__main__":
    work(examined_late)
