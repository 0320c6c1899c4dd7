"""What is said of a cell while it runs."""

import pytest

from harness.run.progress import CellProgress
from harness.trace.parts import parse_parts


@pytest.mark.parametrize(("parts", "step"), [("9+4,401+8", 408), ("1+12", 12)])
def test_the_steps_of_parts_are_counted(capsys: pytest.CaptureFixture[str], parts: str, step: int) -> None:
    with CellProgress() as progress, progress.running("cell", 12, parse_parts(parts)) as on_progress:
        on_progress(9, 2.0, 1.0)
        on_progress(step, 1.0, 2.0)
    assert "step 12 of 12" in capsys.readouterr().err
