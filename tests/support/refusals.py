"""The line with which an emitted program gives up, asked of it inside the test process."""

import contextlib
import io
import os
import re
import runpy
import sys
from pathlib import Path

import pytest

from harness.run import iree_runner
from harness.spec.netspec import DType
from tests.support.tiny_programs import STEERS, Programs

pipelines = pytest.mark.parametrize("pipeline", ["phase2", "phase3"])


def refusal(
    programs: Programs,
    pipeline: str,
    cwd: Path,
    data: Path | None = None,
    dtype: DType = "f32",
    **environment: str,
) -> str:
    """The line with which a program gives up. It runs inside this process, so that many can be asked."""
    words = [*programs.command(pipeline, dtype), str(data or programs.data)]
    arguments = words[2:] if pipeline == "phase3" else words[1:]
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end, contextlib.redirect_stderr(said):
        for name in filter(STEERS.match, list(os.environ)):
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        patch.setattr(sys, "argv", arguments)
        if pipeline == "phase3":
            iree_runner.main()
        else:
            runpy.run_path(arguments[0], run_name="__main__")
    assert end.value.code == 2
    assert re.fullmatch(r"[^\n]{1,400}\n", said.getvalue()), said.getvalue()
    return said.getvalue()
