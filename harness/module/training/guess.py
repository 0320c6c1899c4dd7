"""What the arguments and results of a step are taken for where no step file says it, and the file that says so."""

import json
import os
import re
from collections.abc import Collection
from pathlib import Path

from harness.errors import ModuleError
from harness.module.load import StableModule
from harness.module.signature import ModuleArgument
from harness.module.training.layout import guess_layout
from harness.module.training.step_file import IMAGES, LOSS, NEW, PARAMETER, SLOT, STATISTIC, UNUSED
from harness.system.files import replace_file

_STATISTIC = re.compile(r".*(mean|var(iance)?)")
_VELOCITY = re.compile(r".*(vel(ocity)?|mom(entum)?)\d*|(vel|mom|velocity|momentum)[._]?\w+")
_BEFORE = re.compile(r"([mv])[._]?(.+)")  # m_W0 beside W0
# Adam's divisors under the names in use.
_CORRECTIONS = (
    (r"(bc|c|bias_?correction|corr)_?1", "1 - 0.9**step"),
    (r"(bc|c|bias_?correction|corr)_?2", "1 - 0.999**step"),
)


def guessed_roles(module: StableModule) -> list[str]:
    """The roles of all arguments; empty where nothing tells."""
    roots = [argument.name.lower() for argument in module.arguments if argument.role == "squares"]
    squares = any(not _STATISTIC.fullmatch(name) for name in roots)
    names = {argument.name for argument in module.arguments}
    return [_role(argument, squares, names) for argument in module.arguments]


def _role(argument: ModuleArgument, squares: bool, names: Collection[str]) -> str:
    name = argument.name.lower()
    if argument.role in ("parameter", "state", "squares"):
        if (before := _BEFORE.fullmatch(argument.name)) and before[2] in names:
            return SLOT + before[1]
        if _STATISTIC.fullmatch(name):
            return STATISTIC
        if argument.role == "squares":
            return f"{SLOT}v"
        if argument.role == "state":
            return f"{SLOT}m" if squares else f"{SLOT}velocity"
        return f"{SLOT}velocity" if _VELOCITY.fullmatch(name) else PARAMETER
    if argument.role in ("number", "data"):
        return next((formula for pattern, formula in _CORRECTIONS if re.fullmatch(pattern, name)), "")
    return argument.role


def guessed_results(module: StableModule) -> list[str]:
    """What each result is."""
    return [
        LOSS
        if number == module.loss
        else UNUSED
        if result.argument is None
        else NEW + module.arguments[result.argument].name
        for number, result in enumerate(module.results)
    ]


def step_file_text(module: StableModule, path: str) -> str:
    """A step file with all that is guessed. `path`: of the module, as the file is to name it."""
    roles, results = guessed_roles(module), guessed_results(module)
    lines = [f"module = {_quoted(path)}", f"function = {_quoted(module.function)}"]
    images = [argument for argument, role in zip(module.arguments, roles, strict=True) if role == IMAGES]
    layout = guess_layout(images[0].type.shape) if len(images) == 1 else None
    if layout is not None:
        lines.append(f"images = {_quoted(layout)}")
    lines += ["results = [", *(f"  {_quoted(result)}," for result in results), "]", "", "[arguments]"]
    for argument, role in zip(module.arguments, roles, strict=True):
        told = "" if role else "  # say what it is: a role, or a formula of step, rate, epoch, batch"
        lines.append(f"{_key(argument.name)} = {_quoted(role)}{told}")
    return "\n".join([*lines, ""])


def write_step_file(path: Path, module: StableModule) -> None:
    """Write a step file with all that is guessed. Raises: ModuleError where it cannot be written."""
    own, folder = module.path.resolve(), path.parent.resolve()
    try:
        with replace_file(path) as file:
            file.write(step_file_text(module, os.path.relpath(own, folder)).encode())
    except OSError as error:
        raise ModuleError(f"{path}: it cannot be written: {error.strerror or error}. Give another path.") from None


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    """A basic string of TOML, which escapes as JSON does."""
    return json.dumps(text, ensure_ascii=False)
