"""Compiles StableHLO modules with iree-compile, each once: the key of its cache is all that the result depends on."""

import hashlib
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import iree  # noqa: F401 - a host that runs what others compiled has this much of it; without it nothing here is of use

from harness.errors import EmitError
from harness.run.module_cache import ModuleCache
from harness.run.provenance import cpu_description, package_version
from harness.system.cache import cache_root
from harness.system.masking import mask_secrets
from harness.system.process import with_parent
from harness.system.scratch import scratch

PACKAGE = "iree-base-compiler"
TIMEOUT_S = 3600.0  # the slowest network takes minutes


@dataclass(frozen=True)
class Compiled:
    """A compiled module. `seconds` is the time of the compiler, also when the module came from the cache."""

    path: Path
    seconds: float
    cached: bool


def compile_module(text: str, flags: Sequence[str], name: str) -> Compiled:
    """The module for one target; `flags` name the target, `name` is for messages only.

    Where the compiler is not installed, one that the cache has.

    Raises: EmitError with the compiler's first error line.
    """
    key = hashlib.sha256("\0".join([text, *flags, compiler_version(), _host_of(flags)]).encode()).hexdigest()
    try:
        modules = ModuleCache()
        kept = modules.find(key)
        if kept is not None:
            return Compiled(kept.path, kept.seconds, cached=True)
        if package_version(PACKAGE) is None:
            raise EmitError(
                f"{name}: {PACKAGE} is not installed, and the cache has no module of {mask_secrets(' '.join(flags))}. "
                "Install it, or bring the cache of a host that compiled for this target."
            )
        with scratch(modules.folder) as folder:
            made, seconds = _compile(text, flags, name, folder)
            found = modules.keep(key, made, seconds)
            modules.note_compiler(compiler_version())
            return Compiled(found.path, seconds, cached=False)
    except OSError as error:
        raise EmitError(
            f"{name}: the cache {cache_root()} cannot be written: {error.strerror or error}. "
            "Set HARNESS_CACHE to a folder that can."
        ) from None


def _compile(text: str, flags: Sequence[str], name: str, folder: Path) -> tuple[Path, float]:
    """The compiler's module in an empty folder, and its seconds."""
    source, made = folder / "module.mlir", folder / "module.vmfb"
    source.write_text(text)
    started = time.perf_counter()
    command = with_parent([find_tool("iree-compile"), str(source), *flags, "-o", str(made)])
    called = mask_secrets(f"iree-compile {' '.join(flags)}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise EmitError(f"{name}: {called}: no end after {TIMEOUT_S:g} s") from None
    if done.returncode != 0 or not made.is_file():
        raise EmitError(f"{name}: {called}: {mask_secrets(_diagnostic(done, str(source)))}")
    return made, time.perf_counter() - started


def compiler_version() -> str:
    """Version of the compiler; where it is not installed, of the one that the modules of the cache are of.

    Raises: EmitError when neither is there.
    """
    version = package_version(PACKAGE) or ModuleCache().compiler
    if version is None:
        raise EmitError(f"{PACKAGE} is not installed, and the cache {cache_root()} has no modules. Install it.")
    return version


def find_tool(name: str) -> str:
    """Path of a program of the compiler's package."""
    from iree.compiler.tools import binaries  # here, because a host with the right modules does without the compiler

    return str(binaries.find_tool(name))


def _host_of(flags: Sequence[str]) -> str:
    """Part of the key that ties the result to this machine: code for the `host` CPU runs on that CPU only."""
    return cpu_description() if any(flag.endswith("=host") for flag in flags) else ""


def _diagnostic(done: subprocess.CompletedProcess[str], source: str) -> str:
    lines = [line.replace(source, "module.mlir") for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line]
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return f"{(errors or lines or ['no message'])[0]} ({how})"
