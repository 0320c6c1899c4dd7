"""The environment of a cell, as far as it decides about results, and its key: a name that people can read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.run.pipelines import PIPELINES
from harness.trace.format import TraceHeader, one_line
from harness.trace.manifest import Manifest

UNKNOWN = "unknown"
_LONGEST_KEY, _LONGEST_PART = 200, 48  # characters; a file system takes 255
# The widest registers that a compiler can use decide in which order it adds up.
_VECTORS = (
    ("avx512f", "avx512"),
    ("avx2", "avx2"),
    ("avx", "avx"),
    ("sse4_2", "sse4"),
    ("sve2", "sve2"),
    ("sve", "sve"),
    ("asimd", "neon"),
    ("neon", "neon"),
)
_BY_VALUE = ("backend", "vectors", "chip", "device")  # of these the key has no name
_COUPLED = {"jax": "jaxlib", "pjrt": "jaxlib", "iree runtime": "iree"}  # named only where its version is another
_GPU_PACKAGE = re.compile(r"nvidia-(cublas|cudnn)(?:-cu\d+)?|jax-(?:cuda|rocm)\d+-(pjrt)")
_CHIP = re.compile(r"--iree-\w+-target(?:-cpu)?=(.+)")
# Of a provenance: keys that differ in every run, or say nothing about results.
_PASSING = {
    "host",
    "compile_s",
    "compile_cached",
    "environment.LEAN_MLIR_MAX_STEPS",
    "environment.HARNESS_TRACE_CHANNELS",
    "environment.HARNESS_DTYPE",
    "netspec_name",
    "netspec_hash",
    "planned_steps",
}


@dataclass(frozen=True)
class Environment:
    """`facts`: what decides about results, by name, in the order of the key."""

    facts: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """The facts as one name: `cpu-avx512-jaxlib-0.10.2`, `cpu-avx512-iree-3.13.0`."""
        values = dict(self.facts)
        parts = []
        for name, value in self.facts:
            if name in _COUPLED and values.get(_COUPLED[name]) == value:
                continue
            parts.append(_slug(value) if name in _BY_VALUE else f"{_slug(name)}-{_slug(value)}")
        return "-".join(parts)[:_LONGEST_KEY]

    def changes(self, old: "Environment") -> list[tuple[str, str, str]]:
        """Differences from an older environment: name, old and new value. Versions that follow another are left out."""
        before, now = dict(old.facts), dict(self.facts)
        found = {name: (before.get(name, UNKNOWN), now.get(name, UNKNOWN)) for name in before | now}
        found = {name: values for name, values in found.items() if before.get(name) != now.get(name)}
        independent = [name for name in found if name not in _COUPLED or found.get(_COUPLED[name]) != found[name]]
        return [(name, *found[name]) for name in independent]


def environment_of(header: TraceHeader, manifest: Manifest) -> Environment:
    """Hardware of a cell, as the compiler sees it, and versions of its compiler.

    Neither the host, its operating system nor the exact model of its processor is of it.
    """
    told = manifest.provenance
    backend, versions = header.backend or UNKNOWN, _mapping(told.get("versions"))
    facts = [("backend", backend)]
    chip = _chip(told)
    if backend == "cpu":
        facts += [("chip", chip)] if chip not in (None, "host") else [("vectors", _vectors(told.get("cpu_features")))]
    else:
        facts += [("chip", chip)] if chip is not None else []
        facts += [("device", str(told.get("device") or UNKNOWN)), ("driver", _driver(told.get("driver")))]
    return Environment((*facts, *_compiler(str(told.get("compiler") or ""), header, backend, versions)))


def _compiler(
    compiler: str, header: TraceHeader, backend: str, versions: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The versions of what derives the gradient and of what compiles it."""
    ours = PIPELINES.get(header.pipeline or "")
    names = {"jax": "jax"} if ours is not None and ours.derivation == "autodiff" else {}
    if compiler == "XLA":
        names["jaxlib"] = "jaxlib"
        if backend != "cpu":
            found = {name: _GPU_PACKAGE.fullmatch(name) for name in sorted(versions)}
            names |= {match[1] or match[2]: name for name, match in found.items() if match is not None}
    elif compiler.startswith("iree-compile"):
        names |= {"iree": "iree-base-compiler", "iree runtime": "iree-base-runtime"}
    elif compiler == "none":
        names["jaxlib"] = "jaxlib"  # brings the interpreter
    else:
        yield "compiler", UNKNOWN  # a program of somebody else
        return
    of_modules = {"iree-base-compiler": compiler.partition(" ")[2]}  # compiled elsewhere: it is not installed here
    for label, package in names.items():
        yield label, str(versions.get(package) or of_modules.get(package) or UNKNOWN)


def _chip(told: Mapping[str, Any]) -> str | None:
    """The processor that IREE was told to compile for."""
    flags = told.get("compiler_flags")
    found = [_CHIP.fullmatch(str(flag)) for flag in flags] if isinstance(flags, list) else []
    return next((match[1] for match in found if match is not None), None)


def _vectors(features: object) -> str:
    return next((name for flag, name in _VECTORS if isinstance(features, list) and flag in features), UNKNOWN)


def _driver(driver: object) -> str:
    """The first version number in the driver's own description."""
    found = re.search(r"\d+(?:\.\d+)+", str(driver or ""))
    return found[0] if found else UNKNOWN


def _slug(text: str) -> str:
    """Text as a part of a file name."""
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip(".-")[:_LONGEST_PART] or UNKNOWN


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def differences(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """Differences of two provenances, `cpu_count: 2 → 4`, without those that every run has."""
    left, right = dict(_leaves(old.provenance)), dict(_leaves(new.provenance))
    names = [name for name in left | right if name not in _PASSING and left.get(name) != right.get(name)]
    return tuple(f"{one_line(name)}: {_show(left.get(name))} → {_show(right.get(name))}" for name in sorted(names))


def _leaves(provenance: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in provenance.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", of) for inner, of in value.items())
        else:
            yield name, value


def _show(value: object) -> str:
    if value is None:
        return "none"
    text = one_line(" ".join(map(str, value)) if isinstance(value, list) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
