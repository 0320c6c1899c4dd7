"""Where a trace comes from: versions, processor and environment, without naming the machine or its user."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.run.contract import RECORDED

PACKAGES = ("jax", "jaxlib", "numpy", "iree-base-compiler", "iree-base-runtime", "training-trace-harness")


def provenance(environment: Mapping[str, str], device: str | None) -> dict[str, Any]:
    """What every manifest says, given the variables of the run. The keys are those of traces/README.md."""
    return {
        "versions": {name: version for name in PACKAGES if (version := package_version(name))},
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.release()}",
        "host": os.environ.get("HARNESS_HOST") or cpu_model(),
        "cpu": cpu_model(),
        "cpu_count": os.cpu_count(),
        "cpu_features": cpu_features(),
        "device": device,
        "environment": {name: environment[name] for name in RECORDED if name in environment},
    }


def package_version(name: str) -> str | None:
    """Version of an installed package, None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def cpu_model() -> str:
    """The processor's name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


@cache
def cpu_features() -> list[str]:
    """The instruction sets that compilers choose by."""
    known = re.compile(r"sse4_2|avx\w*|fma|f16c|amx\w*|neon|asimd\w*|sve\w*")
    return sorted(flag for flag in (_cpuinfo("flags") or _cpuinfo("Features")).split() if known.fullmatch(flag))


def cpu_description() -> str:
    """All of it as one text: code compiled for this processor runs where this text is the same."""
    return f"{platform.machine()} {cpu_model()} {' '.join(cpu_features())}"


def scrub(text: str) -> str:
    """`text` without the paths of this machine: the working folder is `.`, the home folder `~`."""
    for path, short in ((str(Path.cwd()), "."), (str(Path.home()), "~")):
        if len(path) > 1:
            text = text.replace(path, short)
    return text


def _cpuinfo(key: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""
