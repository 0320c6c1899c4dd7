"""A step file, TOML: which argument of a training step is what, and which tensor of the network each one holds.

Source: docs/modules.md, A training step as a pipeline.
"""

import re
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from harness.errors import ModuleError

ImageLayout = Literal["flat", "NCHW", "NHWC"]
LAYOUTS: tuple[ImageLayout, ...] = get_args(ImageLayout)
IMAGES, LABELS, ONE_HOT, PARAMETER, STATISTIC, LOSS, UNUSED = (
    "images",
    "labels",
    "one-hot",
    "parameter",
    "statistic",
    "loss",
    "unused",
)
SLOT, NEW = "slot ", "new "  # before the name of a slot, and of an argument
Axes = Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, le=7)], ...], msgspec.Meta(min_length=1, max_length=8)]


class StepTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tensor of the network that an argument holds. `transpose`: its axes in the module, in the network's order."""

    name: str
    transpose: Axes | None = None


class StepFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A step file. `module`: as it is written, relative to the file; `arguments`: name or wildcard to role.

    `results`: what each result is, in order. What is left out is guessed.
    """

    module: str
    function: str | None = None
    images: ImageLayout | None = None
    arguments: dict[str, str] = {}
    results: list[str] | None = None
    parameters: dict[str, str | StepTensor] = {}

    def role(self, argument: str) -> str | None:
        """The role of an argument: under its own name, else under the first wildcard that fits; None: to be guessed."""
        own = self.arguments.get(argument)
        return own if own is not None else next((self.arguments[key] for key in self.fitting(argument)), None)

    def fitting(self, argument: str) -> Sequence[str]:
        """The wildcards that fit an argument, in the order of the file."""
        return [key for key in self.arguments if fnmatchcase(argument, key)]

    def tensor(self, argument: str) -> StepTensor | None:
        """The tensor of the network that the file names for an argument."""
        found = self.parameters.get(argument)
        return StepTensor(found) if isinstance(found, str) else found


def read_step_file(path: Path) -> StepFile:
    """Raises: ModuleError in one line for a file that is none; OSError."""
    content = path.read_bytes()
    try:
        return msgspec.convert(tomllib.loads(content.decode()), StepFile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModuleError(f"{path}: not a TOML file: {error}.") from None
    except RecursionError:
        raise ModuleError(f"{path}: not a TOML file: it is nested too deep.") from None
    except msgspec.ValidationError as error:
        said = re.sub(r"`\$\.?([^`]*)`", lambda found: f"'{found[1] or 'the file'}'", str(error))
        keys = ", ".join(StepFile.__struct_fields__)
        hint = f" Its keys are {keys}." if "unknown field" in said else ""
        raise ModuleError(f"{path}: {said.replace('`', chr(39))}.{hint}") from None
