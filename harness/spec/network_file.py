"""The file of a network: told from a name, run once in a process, and whatever it raises in one line with its place.

To load a file is to run it. A file is loaded because the command line or the configuration of a night names it, never
because a trace or a manifest does, and never because it lies in the working folder.
"""

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import FunctionType, ModuleType, TracebackType
from typing import Any

from harness.errors import HarnessError, SpecError

SUFFIX = ".py"
PACKAGE = "harness_networks"  # of the modules that files become
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,79}")
_LONGEST = 300  # characters of an error's own message


@dataclass(frozen=True)
class NetworkModule:
    """A file that has run. `shown`: its path in messages; `sha256`: of its bytes, None for one of this package."""

    name: str
    shown: str
    filename: str
    module: ModuleType
    sha256: str | None = None

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Around code of the file: whatever it raises is one line that begins with the place in the file."""
        with blamed(self.filename, self.shown):
            yield


_FILES: dict[Path, NetworkModule] = {}


def is_network_file(text: str) -> bool:
    """True for what names a file and not a network of this package: it ends with `.py`, or has a separator in it."""
    return text.endswith(SUFFIX) or any(mark in text for mark in (os.sep, os.altsep) if mark)


def in_folder(text: str, folder: Path) -> str:
    """The network of a configuration in that folder: a relative path is relative to it, a name stays."""
    return str(folder / path_of(text)) if is_network_file(text) else text


def path_of(text: str) -> Path:
    """The path that a user wrote, with `~` for the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # of a user who is not there
        return Path(text)


def name_of_file(text: str) -> str:
    """The short name of the network in a file: the file's, without `.py`.

    Raises: SpecError when it ends otherwise, or its name would not do in the names of other files.
    """
    path = Path(text)
    if path.suffix != SUFFIX:
        raise SpecError(f"{text}: a network's file ends with {SUFFIX}. Give the path of such a file.")
    if not _NAME.fullmatch(path.stem):
        raise SpecError(
            f"{text}: expected a file name of letters, digits, `_` and `-` that begins with a letter: it becomes the "
            "network's short name. Rename the file."
        )
    return path.stem


def run_file(text: str) -> NetworkModule:
    """Run the file, once in a process however often it is asked for.

    What it prints goes to standard error. Its folder is not among those where modules are looked for.

    Raises: SpecError in one line, with the place in the file.
    """
    name, path = name_of_file(text), path_of(text)
    real = path.resolve()
    if real in _FILES:
        return _FILES[real]
    if (other := next((one for one in _FILES.values() if one.name == name), None)) is not None:
        raise SpecError(f"{text}: {other.shown} has the same short name, '{name}'. Rename one of them.")
    source = _read(path)
    try:
        text_of_it = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path}:{line}: not UTF-8. Save the file as UTF-8.") from None
    module = ModuleType(f"{PACKAGE}.{name}")
    module.__file__ = str(path)
    folder = Path.cwd()
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # where dataclasses look up the names in annotations
    try:
        with blamed(str(path), str(path)), contextlib.redirect_stdout(sys.stderr):
            exec(compile(text_of_it, str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:  # an interruption as well: half a module must not stay
        sys.modules.pop(module.__name__)
        if before is not None:
            sys.modules[module.__name__] = before
        raise
    finally:
        os.chdir(folder)  # where the other paths of the command are
    _FILES[real] = NetworkModule(name, str(path), str(path), module, hashlib.sha256(source).hexdigest())
    return _FILES[real]


def class_name(kind: type) -> str:
    """Name of a class of facts; of one in a network's file with the file's in front, `tiny.Double`.

    So a layer of one's own is never taken for one of this package that has its name.
    """
    return f"{kind.__module__.removeprefix(f'{PACKAGE}.')}.{kind.__name__}" if _is_own(kind) else kind.__name__


def guarded(rule: Callable[..., Any], result: str = "") -> Callable[..., Any]:
    """A rule of a network's file, with its errors in one line each; any other rule as it is.

    `result`: the tuple that it has to give, in words: `(y, saved)`; `(dx, …)` for any number, and `(direction, *slots)`
    for as many as its optimizer has.
    """
    if not (_is_own(rule) and isinstance(rule, FunctionType)):
        return rule
    filename, line = rule.__code__.co_filename, rule.__code__.co_firstlineno

    @wraps(rule)
    def checked(*arguments: Any, **options: Any) -> Any:
        with blamed(filename, filename):
            found = rule(*arguments, **options)
        if found is None:
            raise SpecError(f"{filename}:{line}: {rule.__name__} gives nothing. Return its result.")
        slots = len(arguments[0].slots) if "*slots" in result else 1
        count = len(found) if isinstance(found, tuple) and "…" in result else result.count(",") + slots
        if result and not (isinstance(found, tuple) and len(found) == count):
            what = f"a tuple of {len(found)}" if isinstance(found, tuple) else f"a {type(found).__name__}"
            raise SpecError(f"{filename}:{line}: {rule.__name__} gives {what}, expected a tuple {result}.")
        return found

    return checked


def _is_own(thing: type | Callable[..., Any]) -> bool:
    return thing.__module__.startswith(f"{PACKAGE}.")


def _read(path: Path) -> bytes:
    if not path.exists():
        raise SpecError(f"{path}: no such file. Give the path of a network's file, or a name of `harness models`.")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise SpecError(f"{path}: {what}; expected a network's file, NAME{SUFFIX}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}.") from None


@contextmanager
def blamed(filename: str, shown: str) -> Iterator[None]:
    """Around code of a file: whatever it raises is one line that begins with the innermost place in that file.

    `filename`: the file's name in tracebacks; `shown`: in messages.

    Raises: HarnessError, of the kind that was raised or a SpecError.
    """
    try:
        yield
    except HarnessError as error:
        said = str(error)
        place = _place(error.__traceback__, filename, shown)
        raise type(error)(said if said.startswith(shown) else f"{place}: {said}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and what a file derives from its base
        place, said = _place(error.__traceback__, filename, shown), str(error)
        if isinstance(error, SyntaxError) and error.filename == filename:
            place, said = f"{shown}:{error.lineno}", error.msg
        told = " ".join(f"{type(error).__name__}: {said}".split())[:_LONGEST].rstrip(".: ")
        raise SpecError(f"{place}: {told}. {_advice(error)}") from None


def _advice(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "Install it, or correct the name; modules beside the file are not looked for."
    return "Correct the file."


def _place(trace: TracebackType | None, filename: str, shown: str) -> str:
    """The innermost line of the file in a traceback; the file alone where none is in it."""
    place = shown
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            place = f"{shown}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
