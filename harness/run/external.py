"""External pipelines: any command that obeys the environment contract, given as NAME=COMMAND."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import ContractError
from harness.run.pipelines import PIPELINES
from harness.run.provenance import scrub
from harness.system.masking import mask_secrets


@dataclass(frozen=True)
class External:
    """A pipeline of another project. `command`: words, run without a shell."""

    name: str
    words: tuple[str, ...]

    def command(self) -> tuple[str, ...]:
        """The words with `{data}` where the data folder goes: its place in the command, else the last argument."""
        if any("{data}" in word for word in self.words):
            return self.words
        return (*self.words, "{data}")

    @property
    def told(self) -> str:
        """NAME=COMMAND as it was given, for reports: they hold no secret and nothing about the machine."""
        return f"{self.name}={mask_secrets(shlex.join(map(scrub, self.words)))}"  # a flag and its value are two words


def parse_external(text: str) -> External:
    """Read NAME=COMMAND.

    Raises: ContractError when there is no name, no command, or quotes that do not close.
    """
    name, equals, command = text.partition("=")
    name = name.strip()
    if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ContractError(f"--pipeline-cmd {text!r}: expected NAME=COMMAND, NAME of letters, digits and underscores.")
    if name in PIPELINES:
        raise ContractError(f"--pipeline-cmd {text!r}: {name} is a pipeline of this harness. Choose another name.")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ContractError(f"--pipeline-cmd {text!r}: {error}.") from None
    if not words or not words[0]:
        raise ContractError(f"--pipeline-cmd {text!r}: the command is empty.")
    return External(name, tuple(words))


def parse_externals(texts: Sequence[str]) -> tuple[External, ...]:
    """Read all of them. Raises: ContractError also when two have one name, since their files would have one too."""
    externals = tuple(map(parse_external, texts))
    names = [external.name for external in externals]
    for name in names:
        if names.count(name) > 1:
            raise ContractError(f"--pipeline-cmd: the name {name} is given twice. Give each command its own.")
    return externals
