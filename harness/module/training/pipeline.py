"""A module's step as a pipeline: the command that trains with it, from NAME=FILE or NAME=FILE@EXECUTOR."""

import os
from collections.abc import Sequence
from pathlib import Path

from harness.errors import ModuleError
from harness.module.executors import REFERENCE
from harness.module.training.device import step_executor
from harness.module.training.step_file import read_step_file
from harness.run.external import External, split_named
from harness.spec.models import Model
from harness.system.process import capture, run_module

OPTION = "--module"
PREFIX = "module step: "  # of what the program says
REFUSED = 4  # its exit code where the compiler refuses the module
_CHECK_S = 3600.0  # iree-compile takes minutes for the largest modules


def module_pipelines(texts: Sequence[str], model: Model) -> tuple[External, ...]:
    """The pipelines of an option that may be given several times. Raises: HarnessError for what does not fit."""
    return tuple(module_pipeline(text, model) for text in texts)


def module_pipeline(text: str, model: Model) -> External:
    """The pipeline of NAME=FILE[@EXECUTOR], for a network. Raises: HarnessError in one line for what does not fit."""
    name, given = split_named(text, OPTION, "STEP.toml")
    file, at, executor = given.rpartition("@")
    if not (at and file.endswith(".toml")):  # there may be an @ in a path
        file, executor = given, REFERENCE.name
    return step_pipeline(name, Path(file), executor, model, given=(OPTION, text))


def step_pipeline(name: str, file: Path, executor: str, model: Model, *, given: tuple[str, str]) -> External:
    """The pipeline of a step file on an executor, which is looked at first. `given`: the option that asked for it.

    Raises: HarnessError in one line for what does not fit.
    """
    step_executor(executor)
    try:
        module = file.parent / read_step_file(file).module
    except OSError as error:
        raise ModuleError(f"{file}: {error.strerror or error}. Expected a step file, STEP.toml.") from None
    words = [*run_module("harness.module.training.program"), str(file), "--model", model.source]
    words += [*model.size_options.split(), "--on", executor, "--name", name]
    return External(name, tuple(words), asked=given, files=(str(module),), refused=_refusal(words, file))


def _refusal(words: Sequence[str], file: Path) -> str:
    """The compiler's words where it refuses the module, in a process of its own: what parses modules stays out of this.

    Raises: ModuleError where module, step file and network do not fit.
    """
    found = capture([*words, "--check"], os.environ, _CHECK_S)
    if found is None:
        raise ModuleError(f"{file}: its module was not read and compiled within {_CHECK_S:g} s.")
    if found.code == 0:
        return ""
    lines = [line for line in found.err.splitlines() if line.strip()] or [f"exit code {found.code}"]
    if found.code == REFUSED:
        return lines[-1].removeprefix(PREFIX)
    raise ModuleError(lines[-1].removeprefix(PREFIX))
