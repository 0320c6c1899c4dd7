"""How a command ends: every end has its exit code, and its line on standard error where it is not the command's own."""

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from harness.errors import HarnessError

USAGE = 2
CRASHED = 70  # a fault of the harness itself
NO_OUTPUT = 74  # standard output was closed, or has no room
INTERRUPTED = 130
_LONGEST = 300  # characters of a fault's own message
_LOST_OUTPUT = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


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
        _end(USAGE, f"{said}{end}{hint}")


@contextmanager
def ending(interrupted: str = "interrupted.") -> Iterator[None]:
    """Ends the process with one line and a code of its own for everything but a result.

    What a user did ends with `USAGE`, lost output with `NO_OUTPUT`, a signal with `INTERRUPTED`, and a fault of the
    harness with `CRASHED` and its traceback in a file: 1 is kept for runs that differ.
    """
    if sys.stdout is None:
        _end(NO_OUTPUT, "standard output is closed.")
    try:
        with one_line():
            try:
                yield
            finally:
                sys.stdout.flush()  # here, where a failure can still be told
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise  # click ends with these as it does
    except HarnessError as error:
        _end(USAGE, str(error))
    except OSError as error:
        if error.filename is None and error.errno in _LOST_OUTPUT:
            _give_up_output()
            _end(NO_OUTPUT, f"standard output cannot be written: {error.strerror}.")
        place = f"{error.filename}: " if error.filename is not None else ""
        _end(USAGE, f"{place}{error.strerror or error}.")
    except KeyboardInterrupt:
        _end(INTERRUPTED, interrupted)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError):
            from harness.system.extras import missing  # here, because a command that ends well does not need it

            if (lacking := missing(error)) is not None:
                _end(USAGE, str(lacking))
        told = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST].rstrip(".: ")
        _end(CRASHED, f"a fault of the harness itself: {told}. {_keep_traceback()}")


@contextmanager
def parsing() -> Iterator[None]:
    """Around the reading of a command line, which prints the help: as `ending`, but a wrong use is told first."""
    if sys.stdout is not None:
        with ending():
            yield
        return
    with one_line():
        try:
            yield
        except click.exceptions.Exit:  # help or version, which nobody could read
            _end(NO_OUTPUT, "standard output is closed.")


def _keep_traceback() -> str:
    """Write it where only this user reads it, and the sentence that says where. The next one takes its place."""
    from harness.system.files import replace_file  # here, because a command that ends well needs neither
    from harness.system.scratch import temporary_root

    try:
        path = temporary_root() / "fault.txt"
        with replace_file(path) as file:
            file.write(traceback.format_exc().encode(errors="replace"))
    except OSError:
        traceback.print_exc()
        return "Please report it with the lines above."
    return f"Please report it with its traceback, which is in {path}."


def _end(code: int, line: str) -> NoReturn:
    click.echo(f"harness: {line}", err=True)
    sys.exit(code)


def _give_up_output() -> None:
    """Nothing more can be printed, and the interpreter must not try to when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


class FiniteRange(click.FloatRange):
    """A range of numbers, of which NaN and the infinities are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number - number != 0:
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class OneLineCommand(click.Command):
    """A command that ends so also where it is a program of its own."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with parsing():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with ending():
            return super().invoke(ctx)
