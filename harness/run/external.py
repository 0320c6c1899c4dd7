"""External pipelines: any command that obeys the environment contract, given as NAME=COMMAND."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import ContractError
from harness.run.pipelines import PIPELINES
from harness.run.provenance import scrub
from harness.system.masking import mask_secrets

OPTION = "--pipeline-cmd"


@dataclass(frozen=True)
class External:
    """A pipeline of another project. `words`: of its command, run without a shell.

    `asked`: the option that asked for it and its value, where that was not `--pipeline-cmd`. `files`: those that decide
    what it does and that its words do not name. `refused`: why a compiler has refused it, if one has; its cells are
    refused then.
    """

    name: str
    words: tuple[str, ...]
    asked: tuple[str, str] | None = None
    files: tuple[str, ...] = ()
    refused: str = ""

    def command(self) -> tuple[str, ...]:
        """The words with `{data}` where the data folder goes: its place in the command, else the last argument."""
        if any("{data}" in word for word in self.words):
            return self.words
        return (*self.words, "{data}")

    @property
    def option(self) -> str:
        """The option that asked for it."""
        return OPTION if self.asked is None else self.asked[0]

    @property
    def told(self) -> str:
        """The option's value as it was given, for reports: they hold no secret and nothing about the machine."""
        if self.asked is not None:
            return scrub(self.asked[1])
        return f"{self.name}={mask_secrets(shlex.join(map(scrub, self.words)))}"  # a flag and its value are two words


def parse_external(text: str) -> External:
    """Read NAME=COMMAND.

    Raises: ContractError when there is no name, no command, or quotes that do not close.
    """
    name, command = split_named(text, OPTION, "COMMAND")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ContractError(f"--pipeline-cmd {text!r}: {error}.") from None
    if not words or not words[0]:
        raise ContractError(f"--pipeline-cmd {text!r}: the command is empty.")
    return External(name, tuple(words))


def split_named(text: str, option: str, what: str) -> tuple[str, str]:
    """NAME and the rest of an option's NAME=REST. `what`: REST in messages. Raises: ContractError for another form."""
    name, equals, rest = text.partition("=")
    name = name.strip()
    if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ContractError(f"{option} {text!r}: expected NAME={what}, NAME of letters, digits and underscores.")
    if name in PIPELINES:
        raise ContractError(f"{option} {text!r}: {name} is a pipeline of this harness. Choose another name.")
    return name, rest


def parse_externals(texts: Sequence[str]) -> tuple[External, ...]:
    """Read all of them. Raises: ContractError, also when two have one name."""
    externals = tuple(map(parse_external, texts))
    refuse_same_names(externals)
    return externals


def refuse_same_names(externals: Sequence[External]) -> None:
    """Raises: ContractError when two have one name, since their files would have one too."""
    names = [external.name for external in externals]
    for external in externals:
        if names.count(external.name) > 1:
            raise ContractError(f"{external.option}: the name {external.name} is given twice. Give each its own.")
