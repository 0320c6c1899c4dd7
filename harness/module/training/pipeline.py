"""A module's step as a pipeline: the command that trains with it, from NAME=FILE or NAME=FILE@EXECUTOR."""

import os
from collections.abc import Sequence
from pathlib import Path

from harness.errors import ModuleError
from harness.module.executors import EXECUTORS, REFERENCE
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
    """The pipeline of NAME=FILE[@EXECUTOR], for a network; whether they fit is looked at first.

    Raises: HarnessError in one line for what does not.
    """
    name, given = split_named(text, OPTION, "STEP.toml")
    path, at, executor = given.rpartition("@")
    if not (at and (path.endswith(".toml") or executor in EXECUTORS)):  # there may be an @ in a path
        path, executor = given, REFERENCE.name
    step_executor(executor)
    file = Path(path)
    try:
        module = file.parent / read_step_file(file).module
    except OSError as error:
        raise ModuleError(f"{file}: {error.strerror or error}. Expected a step file, STEP.toml.") from None
    words = [*run_module("harness.module.training.program"), str(file), "--model", model.source]
    words += [*model.size_options.split(), "--on", executor, "--name", name]
    return External(name, tuple(words), (OPTION, text), (str(module),), _refusal(words, file))


def _refusal(words: Sequence[str], file: Path) -> str:
    """The compiler's words where it refuses the module, in a process of its own: what parses modules stays out of this.

    Raises: ModuleError where module, step file and network do not fit.
    """
    found = capture([*words, "--check"], os.environ, _CHECK_S)
    if found is None:
        raise ModuleError(f"{file}: its module was not read and compiled within {_CHECK_S:g} s.")
    if found.code == 0:
        return ""
    said = [line for line in found.err.splitlines() if line.strip()]
    if not (said and said[-1].startswith(PREFIX)):
        raise ModuleError(f"{file}: its module cannot be read: {said[-1] if said else f'exit code {found.code}'}")
    line = said[-1].removeprefix(PREFIX)
    if found.code != REFUSED:
        raise ModuleError(line)
    return line
