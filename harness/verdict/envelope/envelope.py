"""The envelope of a network: what rounding alone can do to each channel of its first steps."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.errors import EnvelopeError
from harness.system.files import replace_file
from harness.trace.format import Floats, TraceHeader
from harness.verdict.channels import GRAD_PROJECTION, UPDATE_PROJECTION, kind_of
from harness.verdict.envelope.margin import DEFAULT_RATE, Margin, fitted_margin
from harness.verdict.identity import agree

FORMAT = 2
EPSILON = float(np.finfo(np.float32).eps)


class Envelope(msgspec.Struct, kw_only=True, frozen=True):
    """The distance that an ensemble came apart which differs by rounding only, and the run it is of.

    It holds for the initial parameters and the data that it was built on: where a unit lies so near its bend that
    rounding flips it, and at which step, is theirs.

    `reached`: by step and channel, the largest relative difference of any member, a fraction of `Channels.scale`.
    `init_seed`: None where the initial parameters came from a file. `growth`, `horizon`, `observed`, `ceiling`: see
    `growth.Growth`. `training_steps`, `seconds`: what it cost; `plain_seconds`: so many plain steps in a row would.
    `built_with`: versions and processor.
    """

    format: int
    netspec_name: str
    netspec_hash: str
    config: dict[str, Any]
    total_params: int
    dataset: str
    data_sha256: str
    shuffle: bool
    init_seed: int | None
    init_sha256: str
    dtype: str
    members: int
    channels: list[str]
    reached: list[list[float]]
    growth: float | None
    horizon: int | None
    observed: bool
    ceiling: float
    training_steps: int
    seconds: float
    plain_seconds: float
    built_with: dict[str, str]

    @property
    def spread(self) -> Floats:
        """The distance that the ensemble came apart, see `pooled`, a fraction of the channel's scale.

        Shapes: (steps, channels).
        """
        return pooled(np.array(self.reached, np.float64).reshape(-1, len(self.channels)), self.channels)

    @property
    def judged(self) -> int:
        """The number of steps it can judge: those of its members that lie within the horizon."""
        return len(self.reached) if self.horizon is None else min(len(self.reached), self.horizon)

    def allowance(
        self, false_positive_rate: float = DEFAULT_RATE, tests: int | None = None, margin: Margin | None = None
    ) -> Floats:
        """The bound that two correct programs keep, but for that share of pairs, a fraction of `Channels.scale`.

        `tests`: of how many channels and steps a pair is judged by; None: all. `margin`: other than the fitted one.
        Shapes: (steps, channels).
        """
        factor = (margin or fitted_margin()).factor(false_positive_rate, tests or self.judged * len(self.channels))
        return factor * self.spread

    def holds_for(self, header: TraceHeader) -> bool:
        """True when a trace with that header is of the run it was built on.

        The header has to state the initial parameters. What else it does not state may be anything, and so may what the
        envelope does not know of the configuration: see `unknown_keys`. A network without a hash is known by its name
        and its number of parameters.
        """
        same = ["dtype", "dataset", "data_sha256", "init_sha256", "shuffle"]
        same += ["netspec_name", "total_params"] if header.netspec_hash is None else ["netspec_hash"]
        stated = {key: getattr(header, key) for key in same if getattr(header, key) is not None}
        return (
            "init_sha256" in stated
            and all(agree(key, value, getattr(self, key)) for key, value in stated.items())
            and all(agree(key, self.config[key], x) for key, x in header.config.items() if key in self.config)
        )

    def unknown_keys(self, *headers: TraceHeader) -> list[str]:
        """Keys of the headers' configurations that it does not have, sorted."""
        return sorted({key for header in headers for key in header.config} - self.config.keys())

    @property
    def digest(self) -> str:
        """SHA-256 of what tells it from the envelopes of other runs."""
        facts = [self.netspec_hash, self.config, self.data_sha256, self.shuffle, self.init_sha256, self.dtype]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def pooled(reached: Floats, channels: Sequence[str]) -> Floats:
    """The spread: what a channel or, if that is more, the median channel has reached by then, at least one ulp.

    What flips is chance. A unit that flipped for no member at some step, or in one channel only, may do so in a pair at
    another step or in another channel. Projections, which see more than norms and loss do, have a median of their own.

    Shapes: reached and the result (steps, channels).
    """
    so_far = np.maximum.accumulate(reached, axis=0)
    spread = np.maximum(so_far, EPSILON)
    projections = np.array([kind_of(name) in (GRAD_PROJECTION, UPDATE_PROJECTION) for name in channels])
    for alike in (projections, ~projections):
        if alike.any():
            median = np.median(so_far[:, alike], axis=1, keepdims=True)
            spread[:, alike] = np.maximum(spread[:, alike], median)
    return spread


def write_envelope(path: Path, envelope: Envelope) -> None:
    """Write the file, whole or not at all. Raises: OSError."""
    with replace_file(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(envelope), indent=0) + b"\n")


class _Format(msgspec.Struct):
    format: int


def read_envelope(path: Path) -> Envelope:
    """Raises: EnvelopeError for a file that is no envelope of this format; OSError."""
    data = path.read_bytes()
    again = "Build it again with `harness envelope`."
    try:
        if msgspec.json.decode(data, type=_Format).format != FORMAT:
            raise EnvelopeError(f"{path}: an envelope of another format. {again}")
        envelope = msgspec.json.decode(data, type=Envelope)
    except msgspec.DecodeError as error:
        raise EnvelopeError(f"{path}: not an envelope: {error}. {again}") from None
    if {len(row) for row in envelope.reached} != {len(envelope.channels)}:
        raise EnvelopeError(f"{path}: its steps do not have a number for each channel. {again}")
    reached, horizon = np.array(envelope.reached), envelope.horizon
    sound = np.isfinite(reached).all() and (reached >= 0).all() and (reached < 1e3).all()
    if not sound or "loss" not in envelope.channels or (horizon is not None and horizon < 1):
        raise EnvelopeError(f"{path}: what it reached or its horizon makes no sense. {again}")
    return envelope
