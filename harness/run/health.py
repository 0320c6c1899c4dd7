"""Checks of what this host can run, and for the rest why not and what to do about it."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.data import DATASETS
from harness.data.fetch import is_cached
from harness.errors import HarnessError
from harness.run.backends import BACKENDS, Backend, presence
from harness.run.pipelines import MAIN, PIPELINES
from harness.run.provenance import PACKAGES, cpu_model, package_version
from harness.system.cache import cache_root
from harness.system.text import Document, Table

COLUMNS = ("what", "state", "found", "what to do")
GB = 10**9
LITTLE_DISK, LITTLE_MEMORY = 2 * GB, 4 * GB  # data, modules and traces of a night; a step of the largest network
# What an extra of this package brings beside hardware, and what needs it.
EXTRAS = {"pandas": "pandas", "tensorboard": "tensorboardX", "mllog": "mlperf-logging"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class HealthCheck:
    """A line. `absent` is nothing wrong: hardware that is not here, or what only some verbs need."""

    what: str
    state: Literal["ready", "absent", "low", "broken"]
    found: str
    mend: str = ""


def examine() -> Document:
    """Everything, as a table, and the versions that affect a trace."""
    checks = [*_hardware(), *_compilers(), *_data(), *_room(), *_optional()]
    table = Table(COLUMNS, [[check.what, check.state, check.found, check.mend] for check in checks], wrapped=True)
    versions = ", ".join(f"{name} {package_version(name) or 'absent'}" for name in PACKAGES)
    return Document([table, "", f"Python {platform.python_version()}; {versions}"])


def _hardware() -> Iterator[HealthCheck]:
    for row in BACKENDS.values():
        for pipeline in filter(row.serves, MAIN):
            what = f"{pipeline} on {row.name}"
            try:
                found = presence(row.name, pipeline)
            except HarnessError as error:
                yield HealthCheck(what, "broken", str(error), "correct the variable, or unset it")
                continue
            if found:
                yield HealthCheck(what, "ready", found.device or "")
            elif found.reason.startswith(f"no {row.device_name}"):
                mend = f"{row.mend}; `harness compile --targets {row.name}` does without"
                yield HealthCheck(what, "absent", f"no {row.device_name}", mend)
            else:
                yield HealthCheck(what, "broken", found.reason, _install(row, pipeline))


def _install(row: Backend, pipeline: str) -> str:
    if not row.device_files:
        return "`pip install training-trace-harness`"
    extra = f"[{row.name}]" if PIPELINES[pipeline].runtime == "jax" else ""
    return f"`pip install 'training-trace-harness{extra}'` into a Python of its own; name it in {row.python_variable}"


def _compilers() -> Iterator[HealthCheck]:
    """Phase 3 is compiled for hardware that is not here, too."""
    try:
        from iree.compiler.tools import query_available_targets

        targets = query_available_targets()
    except (ImportError, OSError, ValueError) as error:
        yield HealthCheck("iree-compile", "broken", str(error), "`pip install training-trace-harness`")
        return
    for row in BACKENDS.values():
        what = f"compile for {row.name}"
        try:
            target = row.target()
        except HarnessError as error:
            yield HealthCheck(what, "broken", str(error), f"correct {row.chip_variable}, or unset it")
            continue
        if row.iree_backend in targets:
            yield HealthCheck(what, "ready", f"{target} ({target.source})" if row.chip_flag else "")
        else:
            yield HealthCheck(what, "broken", f"no target {row.iree_backend}", "`pip install training-trace-harness`")


def _data() -> Iterator[HealthCheck]:
    for name in DATASETS:
        fetch = f"`harness data fetch {name}`"
        try:
            cached = is_cached(name)
        except HarnessError as error:
            yield HealthCheck(f"data {name}", "broken", str(error), fetch)
            continue
        yield (
            HealthCheck(f"data {name}", "ready", "cached")
            if cached
            else HealthCheck(f"data {name}", "absent", "not cached", fetch)
        )


def _room() -> Iterator[HealthCheck]:
    root = cache_root()
    lies_in = next(folder for folder in (root, *root.parents) if folder.exists())
    elsewhere = "set HARNESS_CACHE to a folder that can be written"
    if lies_in.is_dir() and os.access(lies_in, os.W_OK | os.X_OK):
        yield HealthCheck("cache", "ready", f"{root}, {_size(root) / GB:.2f} GB")
    else:
        yield HealthCheck("cache", "broken", f"{lies_in} cannot be written", elsewhere)
    for what, folder in (("disk of the cache", lies_in), ("disk here", Path.cwd())):
        free = shutil.disk_usage(folder).free
        mend = "make room, or work on a larger disk (HARNESS_CACHE, --out)"
        yield _enough(what, free, LITTLE_DISK, mend)
    memory = _available_memory()
    if memory is not None:
        yield _enough("memory", memory, LITTLE_MEMORY, "smaller steps: --batch, --image-size")
    yield HealthCheck("processor", "ready", f"{len(os.sched_getaffinity(0))} cores, {cpu_model()}")


def _enough(what: str, free: int, little: int, mend: str) -> HealthCheck:
    found = f"{free / GB:.1f} GB free"
    return HealthCheck(what, "ready", found) if free >= little else HealthCheck(what, "low", found, mend)


def _optional() -> Iterator[HealthCheck]:
    for name, package in EXTRAS.items():
        version = package_version(package)
        what = f"extra {name}"
        if version is not None:
            yield HealthCheck(what, "ready", f"{package} {version}")
        else:
            yield HealthCheck(what, "absent", "optional", f"`pip install 'training-trace-harness[{name}]'`")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is not None:
        yield HealthCheck("browser", "ready", browser)
    else:
        yield HealthCheck("browser", "absent", "optional", "only tests of pages need it: `apt-get install chromium`")


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, as far as they can be looked at."""
    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(Path(place, name).lstat().st_size)
            except OSError:
                continue  # another process has removed it
    return sum(sizes)


def _available_memory() -> int | None:
    """Bytes that are available without swapping; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(sizes[0]) if sizes else None
