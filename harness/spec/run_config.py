"""Configuration of a run: precision, start, conventions, order, length, and what is observed."""

from typing import Annotated, Literal

import msgspec

from harness.spec.netspec import DType

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
DEFAULT_INIT_SEED = 42
# Steps of a pair's f64 cross-check: the first to see the forward pass, the backward pass, the optimizer's state, and
# one more that has all of them behind it.
F64_STEPS = 4
# Steps of a pair's wide check: enough for every formula to have met trained parameters and slots. A step costs two to
# five times as much as one in f32, so that these are short beside a whole run and the one in lockstep.
WIDE_STEPS = 64
SEGMENT_STEPS = 8  # of a lockstep run, between two settings of the follower to the leader's state
DEFAULT_STATES = 16  # of a run, from which a pair is run in f64
STRESS_STEPS = 1  # of the runs from a stressed start, whose updates mean nothing

# Parameters as they are drawn, or large ones, with which a formula that is right for small numbers only gives itself
# away.
Start = Literal["drawn", "stressed"]


class RunConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Configuration of a run, embedded by everything that names, runs or reports one.

    `start`: what the initial parameters are. `profile`: of conventions. `eager`: without just-in-time compilation.
    `steps` None: the whole training.
    `channels`: the steps that carry norms, projections and batch digests. `follows`: the cell whose state it is
    set to every `segment` steps, by its pipeline, and by its backend where that is another; a run that is not set to
    another's is free. `run_steps`: the parts of a run that it takes, each from a state of the pipeline `states_of`;
    None: all of it. `ulp_seed`: of the draw by which each number of those states is one unit in the last place up or
    down; None: they are as they were.
    """

    dtype: DType = "f32"
    init_seed: Count = DEFAULT_INIT_SEED
    start: Start = "drawn"
    profile: str = "shared"
    shuffle: bool = False
    eager: bool = False
    steps: Count | None = None
    channels: str = "default"
    follows: str | None = None
    segment: Count | None = None
    states_of: str | None = None
    run_steps: str | None = None
    ulp_seed: Count | None = None

    @property
    def suffix(self) -> str:
        """Suffix of file names where the run differs from the defaults: `.f64.s43.published.eager`, or nothing."""
        parts = [
            self.dtype if self.dtype != "f32" else "",
            f"s{self.init_seed}" if self.init_seed != DEFAULT_INIT_SEED else "",
            self.start if self.start != "drawn" else "",
            self.profile if self.profile != "shared" else "",
            "eager" if self.eager else "",
            f"follows-{self.follows}" if self.follows is not None else "",
            f"states-of-{self.states_of}" if self.states_of is not None else "",
            f"ulp{self.ulp_seed}" if self.ulp_seed is not None else "",
        ]
        return "".join(f".{part}" for part in parts if part)


DEFAULT_RUN = RunConfig()


def size_suffix(batch: int | None, image_size: int | None) -> str:
    """The size as file names carry it where it is off the network's own, None: `.b2.i64`. Units: pixels a side."""
    parts = ((".b", batch), (".i", image_size))
    return "".join(f"{letter}{size}" for letter, size in parts if size is not None)


def cell_name(model: str, pipeline: str, backend: str, run: RunConfig, size: str) -> str:
    """Stem of a cell's files: `mnist_cnn.phase3-noshuf-rocm`, then a suffix for whatever is off its default.

    `size`: as `size_suffix` gives it.
    """
    return f"{model}.{pipeline}-{'shuf' if run.shuffle else 'noshuf'}-{backend}{size}{run.suffix}"
