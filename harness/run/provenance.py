"""Where a trace comes from: versions, processor and environment, without naming the machine or its user."""

import getpass
import importlib.metadata
import os
import platform
import re
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.run.chips import chip_name
from harness.run.contract import RECORDED, child_environment
from harness.run.probe import installed_versions
from harness.run.probing import Presence
from harness.system.masking import mask_secrets

PACKAGES = ("jax", "jaxlib", "numpy", "iree-base-compiler", "iree-base-runtime", "training-trace-harness")


def provenance(environment: Mapping[str, str], device: str | None, present: Presence | None = None) -> dict[str, Any]:
    """Provenance for a manifest, given the variables that a run adds to the environment. Source: traces/README.md.

    `present`: the answer of the backend's own Python; without it, the facts are this one's.
    """
    given = child_environment(environment)
    asked = present if present is not None and present.versions is not None else None
    chip = chip_name(present.chip) if present is not None else ""
    return {
        "versions": dict(asked.versions or {}) if asked else installed_versions(),
        "python": asked.python if asked else platform.python_version(),
        "os": f"{platform.system()} {platform.release()}",
        "host": host_name(),
        "cpu": cpu_model(),
        "cpu_count": os.cpu_count(),
        "cpu_features": cpu_features(),
        "device": device,
        "driver": present.driver if present is not None else None,
        **({"chip": chip, "chip_source": "driver"} if chip else {}),
        "environment": {name: scrub_paths(given[name]) for name in RECORDED if name in given},
    }


def host_name() -> str:
    """Name of this host in manifests: HARNESS_HOST, else its processor."""
    return os.environ.get("HARNESS_HOST") or cpu_model()


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
    """`text` without secrets and facts about this machine: paths as `scrub_paths`, names of host and user as words."""
    text = scrub_paths(text)
    for name, instead in ((socket.gethostname(), "HOST"), (_user(), "USER")):
        if name and name not in ("localhost", "root"):
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", instead, text)
    return text


def scrub_paths(text: str) -> str:
    """`text` without secrets and absolute paths.

    The working folder is `.`, the home folder `~`, elsewhere the last part of a path stays.
    """
    text = mask_secrets(text).replace("file://", "file:")
    for path, short in ((str(Path.cwd()), "."), (str(Path.home()), "~")):
        if len(path) > 1:
            text = re.sub(rf"(?<![\w.~/-]){re.escape(path)}(?![\w.-])", short, text)
    return _ABSOLUTE_PATH.sub(r".../\1", text)


def scrub_tree(value: Any) -> Any:
    """`scrub_paths` on every string of a manifest's provenance."""
    if isinstance(value, str):
        return scrub_paths(value)
    if isinstance(value, Mapping):
        return {key: scrub_tree(item) for key, item in value.items()}
    return [scrub_tree(item) for item in value] if isinstance(value, list | tuple) else value


# Two parts and more; not the tail of a relative path or of an address.
_ABSOLUTE_PATH = re.compile(r"(?<![\w.~/])/(?:[^\s/:;,'\"<>|()\[\]{}=]+/+)+([^\s/:;,'\"<>|()\[\]{}=]*)")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _cpuinfo(key: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""
