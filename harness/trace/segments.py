"""The segments of a lockstep run: how far the follower's state is from the leader's when each of them ends.

`STEM.segments.json` lies beside the follower's trace. Source: traces/README.md, States.
"""

import math
from pathlib import Path

import msgspec

from harness.errors import TraceError
from harness.trace.format import one_line
from harness.trace.manifest import manifest_path

SEGMENTS_SUFFIX = ".segments.json"


class StateDistance(msgspec.Struct, array_like=True, frozen=True):
    """One tensor at the end of a segment, by Euclidean norms.

    `apart`: the follower's less the leader's. `moved`: the leader's less its own at the segment's start. `size`: of the
    leader's. -1 stands for what is no finite number.
    """

    apart: float
    moved: float
    size: float

    @property
    def is_finite(self) -> bool:
        return min(self.apart, self.moved, self.size) >= 0 and math.isfinite(self.apart + self.moved + self.size)


class SegmentEnd(msgspec.Struct, frozen=True):
    """The states before a step, by tensor in the order of `Segments.tensors`. `first`: the segment's first step."""

    first: int
    step: int
    distances: list[StateDistance]


class Segments(msgspec.Struct, kw_only=True, frozen=True):
    """All segments of a run. `leader`: its pipeline. `planned`: how many there should be."""

    segments_version: int = 1
    leader: str
    planned: int
    tensors: list[str]
    ends: list[SegmentEnd]


def segments_path(trace: Path) -> Path:
    """The path of the segments of a follower's trace."""
    stem = manifest_path(trace).name.removesuffix(".manifest.json")
    return trace.parent / f"{stem}{SEGMENTS_SUFFIX}"


def read_segments(path: Path) -> Segments:
    """The segments of a file. Raises: TraceError for one that holds none."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Segments)
    except OSError as error:
        raise TraceError(f"{one_line(path.name)}: cannot be read: {error.strerror or error}.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TraceError(f"{one_line(path.name)}: not the segments of a run: {one_line(error)}.") from None
    if any(len(end.distances) != len(found.tensors) or end.step <= end.first for end in found.ends):
        raise TraceError(f"{one_line(path.name)}: a segment does not have a distance for each tensor.")
    return found
