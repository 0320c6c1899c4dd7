"""Recognises known trouble by how a program ended, and by the versions of what it ran on."""

import re
from collections.abc import Mapping

from harness.trace.known_trouble import KNOWN_TROUBLE, Trouble

_COMPILED_LIKE = {"phase2-iree": "phase3", "phase3-xla": "phase2"}  # a control has the trouble of its compiler


def recognise(
    backend: str,
    pipeline: str,
    signal: str | None,
    stderr: str,
    versions: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    hung: bool = False,
) -> Trouble | None:
    """The first known trouble that fits how a program ended, if any. `hung`: it timed out before its first step."""
    for trouble in KNOWN_TROUBLE:
        if trouble.backend != backend or not affects(trouble, pipeline, versions) or _cured(trouble, environment or {}):
            continue
        asked = []
        if trouble.signals:
            asked.append(signal in trouble.signals)
        if trouble.stderr:
            asked.append(re.search(trouble.stderr, stderr) is not None)
        if trouble.hangs:
            asked.append(hung)
        if asked and all(asked):
            return trouble
    return None


def affects(trouble: Trouble, pipeline: str, versions: Mapping[str, str]) -> bool:
    """Whether it is of the compiler of a pipeline, in these versions of packages."""
    if _COMPILED_LIKE.get(pipeline, pipeline) != trouble.pipeline:
        return False
    version = versions.get(trouble.package)
    if version is None:
        return True
    too_old = trouble.first_in and _number(version) < _number(trouble.first_in)
    fixed = trouble.fixed_in and _number(version) >= _number(trouble.fixed_in)
    return not (too_old or fixed)


def _cured(trouble: Trouble, environment: Mapping[str, str]) -> bool:
    return trouble.cure is not None and trouble.cure[1] in environment.get(trouble.cure[0], "").split()


def _number(version: str) -> tuple[int, ...]:
    """The first three parts of a version; 3.12 is 3.12.0."""
    parts = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return (*parts, *[0] * (3 - len(parts)))
