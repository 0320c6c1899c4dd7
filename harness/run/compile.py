"""Compiles StableHLO modules with iree-compile, into a cache whose key is all that the result depends on."""

import hashlib
import importlib.metadata
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iree.compiler.tools.binaries import find_tool

from harness.errors import EmitError
from harness.run.provenance import cpu_description
from harness.system.cache import cache_root

TIMEOUT_S = 3600.0  # the slowest network takes minutes


@dataclass(frozen=True)
class Compiled:
    """A compiled module. `seconds` is the time of the compiler, also when the module came from the cache."""

    path: Path
    seconds: float
    cached: bool


def compile_module(text: str, flags: Sequence[str], name: str) -> Compiled:
    """The module for one target; `flags` name the target, `name` is for messages only.

    Raises: EmitError with the compiler's first error line.
    """
    key = hashlib.sha256("\0".join([text, *flags, compiler_version(), _host_of(flags)]).encode()).hexdigest()
    folder = cache_root() / "iree" / key[:2]
    path, clock = folder / f"{key}.vmfb", folder / f"{key}.seconds"
    seconds = _compiled_in(path, clock)
    if seconds is not None:
        return Compiled(path, seconds, cached=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _compile(text, flags, name, path, clock)
    except OSError as error:
        raise EmitError(
            f"{name}: the cache {folder} cannot be written: {error.strerror}. Set HARNESS_CACHE to a folder that can."
        ) from None


def _compile(text: str, flags: Sequence[str], name: str, path: Path, clock: Path) -> Compiled:
    """Compile beside the cache's files and rename: two processes that compile one module do not disturb each other."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="compiling-") as scratch:
        source, made = Path(scratch, "module.mlir"), Path(scratch, "module.vmfb")
        source.write_text(text)
        started = time.perf_counter()
        command = [find_tool("iree-compile"), str(source), *flags, "-o", str(made)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise EmitError(f"{name}: iree-compile {' '.join(flags)}: no end after {TIMEOUT_S:g} s") from None
        seconds = time.perf_counter() - started
        if done.returncode != 0 or not made.is_file():
            raise EmitError(f"{name}: iree-compile {' '.join(flags)}: {_diagnostic(done, str(source))}")
        timed = Path(scratch, "seconds")
        timed.write_text(f"{seconds:.3f} {hashlib.sha256(made.read_bytes()).hexdigest()}")
        timed.replace(clock)
        made.replace(path)
    return Compiled(path, seconds, cached=False)


def _compiled_in(path: Path, clock: Path) -> float | None:
    """The compiler's seconds for a module of the cache; None when it is not there, or not as it was written."""
    try:
        seconds, sha256 = clock.read_text().split()
        return float(seconds) if hashlib.sha256(path.read_bytes()).hexdigest() == sha256 else None
    except (OSError, ValueError):
        return None


def compiler_version() -> str:
    """Version of the compiler package."""
    return importlib.metadata.version("iree-base-compiler")


def _host_of(flags: Sequence[str]) -> str:
    """Part of the key that ties the result to this machine: code for the `host` CPU runs on that CPU only."""
    return cpu_description() if any(flag.endswith("=host") for flag in flags) else ""


def _diagnostic(done: subprocess.CompletedProcess[str], source: str) -> str:
    lines = [line.replace(source, "module.mlir") for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line]
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return f"{(errors or lines or ['no message'])[0]} ({how})"
