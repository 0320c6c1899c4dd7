"""Errors in the use of a command, in one line that names the help."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

USAGE = 2


@contextmanager
def one_line() -> Iterator[None]:
    """Ends the process with one line where click would print three."""
    try:
        yield
    except NoArgsIsHelpError:
        raise  # what click prints then is the help
    except click.UsageError as error:
        said = " ".join(error.format_message().split())
        end = "" if said.endswith((".", "?", ")")) else "."
        hint = f" See `{error.ctx.command_path} --help`." if error.ctx is not None else ""
        click.echo(f"harness: {said}{end}{hint}", err=True)
        sys.exit(USAGE)


class OneLineCommand(click.Command):
    """A command that says so also where it is a program of its own."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with one_line():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line():
            return super().invoke(ctx)
