"""The envelope of a network: what rounding alone can do to each channel of its first steps."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.errors import EnvelopeError
from harness.system.files import replace_file
from harness.trace.format import Floats, TraceHeader
from harness.verdict.envelope.margin import DEFAULT_RATE, Margin, fitted_margin

FORMAT = 1
EPSILON = float(np.finfo(np.float32).eps)


class Envelope(msgspec.Struct, kw_only=True, frozen=True):
    """The distance that an ensemble came apart which differs by rounding only, and the run it is of.

    It holds for the initial parameters and the data that it was built on: where a unit lies so near its bend that
    rounding flips it, and at which step, is theirs.

    `spreads`: by step and channel, a fraction of `Channels.scale`. `growth`, `horizon`, `observed`, `ceiling`: see
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
    init_seed: int
    init_sha256: str
    dtype: str
    members: int
    channels: list[str]
    spreads: list[list[float]]
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
        """The distance that the ensemble reached, a fraction of the channel's scale. Shapes: (steps, channels)."""
        return np.array(self.spreads, np.float64).reshape(-1, len(self.channels))

    @property
    def judged(self) -> int:
        """The number of steps it can judge: those of its members that lie within the horizon."""
        return len(self.spreads) if self.horizon is None else min(len(self.spreads), self.horizon)

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
        """True when a trace with that header is of the run it was built on, as far as the header says.

        Published traces have no hash; their name, configuration and number of parameters have to do.
        """
        same = {"netspec_name", "total_params", "dtype", "dataset", "data_sha256", "init_sha256", "shuffle"}
        if header.netspec_hash is not None:
            same = {*same - {"netspec_name", "total_params"}, "netspec_hash"}
        return all(getattr(header, key) in (None, getattr(self, key)) for key in same) and all(
            key in self.config and self.config[key] == value for key, value in header.config.items()
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what tells it from the envelopes of other runs."""
        facts = [self.netspec_hash, self.config, self.data_sha256, self.shuffle, self.init_sha256, self.dtype]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write_envelope(path: Path, envelope: Envelope) -> None:
    """Write the file, whole or not at all. Raises: OSError."""
    with replace_file(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(envelope), indent=0) + b"\n")


def read_envelope(path: Path) -> Envelope:
    """Raises: EnvelopeError for a file that is no envelope of this format; OSError."""
    try:
        envelope = msgspec.json.decode(path.read_bytes(), type=Envelope)
    except msgspec.DecodeError as error:
        raise EnvelopeError(f"{path}: not an envelope: {error}. Build it again with `harness envelope`.") from None
    rows = {len(row) for row in envelope.spreads}
    if envelope.format != FORMAT or rows != {len(envelope.channels)}:
        raise EnvelopeError(f"{path}: an envelope of another format. Build it again with `harness envelope`.")
    spread, horizon = envelope.spread, envelope.horizon
    sound = np.isfinite(spread).all() and (spread > 0).all() and (spread < 1e3).all() and "loss" in envelope.channels
    if not sound or (horizon is not None and horizon < 1):
        raise EnvelopeError(
            f"{path}: its spreads or its horizon make no sense. Build it again with `harness envelope`."
        )
    return envelope
