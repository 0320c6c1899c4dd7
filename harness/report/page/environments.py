"""The environments of two cells side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.trace.manifest import Manifest
from harness.verdict.pair import PairRow


@dataclass(frozen=True)
class Fact:
    """One key of two manifests. `a`, `b`: None where that side lacks it."""

    name: str
    a: str | None
    b: str | None

    @property
    def differs(self) -> bool:
        """True if the values differ."""
        return self.a != self.b


def side_by_side(row: PairRow) -> list[Fact]:
    """The versions, device, flags and environment of both sides, from their manifests; what differs comes first."""
    a, b = (dict(_flat(manifest.provenance)) for manifest in _manifests(row))
    facts = [Fact(name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b])]
    return sorted(facts, key=lambda fact: not fact.differs)


def _manifests(row: PairRow) -> tuple[Manifest, Manifest]:
    if row.cells:
        return row.cells[0].manifest, row.cells[1].manifest
    nothing = Manifest(status="complete")
    if row.comparison is None:
        return nothing, nothing
    return row.comparison.a.manifest or nothing, row.comparison.b.manifest or nothing


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
