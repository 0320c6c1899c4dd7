"""The facts that two runs must have in common, before any number is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.trace.format import Trace
from harness.trace.spelling import is_float32_of, usual_dtype

# Header keys that must not differ, beside those of `config`. A key that only one side has is unknown, not different.
IDENTITY = (
    "netspec_name",
    "netspec_hash",
    "total_params",
    "params",
    "dataset",
    "data_sha256",
    "shuffle",
    "init_sha256",
    "dtype",
    "units",
    "epoch_steps",
)


@dataclass(frozen=True)
class KeyDifference:
    """One key, or batch, that differs, and its two values."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Identity:
    """The comparison of headers and batch digests: the facts by which the runs should be alike.

    `shared`: keys that both have. `unknown_a`: those that only A has. `conventions`: differing ones, as evidence.
    `batches`: compared steps whose batch digest both have.
    """

    differences: tuple[KeyDifference, ...]
    unknown_a: tuple[str, ...]
    unknown_b: tuple[str, ...]
    conventions: tuple[KeyDifference, ...]
    batches: int
    batch_difference: KeyDifference | None
    batch_step: int | None
    shared: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """True when the runs are unlike, so that their numbers cannot be compared."""
        return bool(self.differences) or self.batch_difference is not None


def compare_identity(a: Trace, b: Trace, last: int) -> Identity:
    """Compare what says that two traces are of runs that should agree: headers, and batch digests up to step `last`."""
    left, right = _identity_keys(a), _identity_keys(b)
    differences, unknown_a, unknown_b = _differences(left, right)
    conventions, _, _ = _differences(*(dict(sorted((t.header.conventions or {}).items())) for t in (a, b)))
    common = sorted(step for step in a.digests.keys() & b.digests.keys() if step <= last)
    wrong = next((step for step in common if a.digests[step].lower() != b.digests[step].lower()), None)
    batch = (
        None if wrong is None else KeyDifference(f"batch_sha256 of step {wrong}", a.digests[wrong], b.digests[wrong])
    )
    shared = tuple(key for key in left if key in right)
    return Identity(differences, unknown_a, unknown_b, conventions, len(common), batch, wrong, shared)


def find_strangeness(a: Trace, b: Trace) -> tuple[KeyDifference, ...]:
    """The keys, dtype left out, by which two traces of one pipeline are of two runs."""
    keys = [_identity_keys(trace) | {"pipeline": trace.header.pipeline} for trace in (a, b)]
    left, right = ({key: value for key, value in of.items() if value is not None} for of in keys)
    return tuple(difference for difference in _differences(left, right)[0] if difference.key != "dtype")


def _identity_keys(trace: Trace) -> dict[str, Any]:
    keys = {name: getattr(trace.header, name) for name in IDENTITY}
    keys |= {f"config.{name}": value for name, value in sorted(trace.header.config.items())}
    return {name: value for name, value in keys.items() if value is not None and trace.header.tells(name)}


def _differences(
    a: Mapping[str, Any], b: Mapping[str, Any]
) -> tuple[tuple[KeyDifference, ...], tuple[str, ...], tuple[str, ...]]:
    differing = tuple(KeyDifference(key, a[key], b[key]) for key in a if key in b and not agree(key, a[key], b[key]))
    return differing, tuple(key for key in a if key not in b), tuple(key for key in b if key not in a)


def agree(key: str, a: Any, b: Any) -> bool:
    """Whether two values of a key mean the same, however they are spelled."""
    if key == "dtype":
        return usual_dtype(a) == usual_dtype(b)
    if key == "params":  # their order is how a program holds them, and no part of what is trained
        return sorted(a) == sorted(b)
    if key.endswith(("_sha256", "_hash")):
        return bool(a.lower() == b.lower())
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (a, b))
    return same(a, b) or (numbers and is_float32_of(float(a), float(b)))


def same(a: object, b: object) -> bool:
    """Equality of two JSON values: 1 is 1.0, but true is not 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b
