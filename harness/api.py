"""What Python code and notebooks call: the verdict on two traces, and on a network."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harness.errors import ContractError
from harness.report.trace_comparison import TraceComparison
from harness.system.extras import extra

if TYPE_CHECKING:
    from harness.report.verification import Outcome
    from harness.spec.netspec import DType, NetSpec, TrainConfig

_Path = str | os.PathLike[str]
# What `verify` takes besides its named options.
_SWITCHES = ("f64_check", "stress", "wide", "lockstep", "factorial", "compile_all")
_COUNTS = ("segment", "states")


def diff(
    a: _Path,
    b: _Path,
    mode: str = "cross-comp",
    *,
    window: int | None = None,
    steps: int | None = None,
    all_steps: bool = False,
    require_coverage: float = 0.0,
) -> TraceComparison:
    """Compare two traces, or logs of other tools, as `harness diff` does, whose options these are.

    `require_coverage`: the share of the planned steps, from 0 to 1, that have to be judged for a PASS.

    Raises: HarnessError in one line when a file cannot be read or an option makes no sense.
    """
    from harness.trace.recording import read_foreign
    from harness.verdict.compare import judging_by
    from harness.verdict.pair import judge_recordings

    judging = judging_by(mode, window, steps, all_steps, require_coverage)
    return TraceComparison(judge_recordings(read_foreign(Path(a)), read_foreign(Path(b)), judging))


@dataclass(frozen=True, eq=False)
class VerifiedNetwork:
    """What `verify` found. It is true where every pair agrees and every run that was asked for is there.

    `outcome`: all that is known. `reports`: the files that tell it.
    """

    outcome: "Outcome"
    reports: tuple[Path, ...] = field(default=())

    @property
    def comparisons(self) -> list[TraceComparison]:
        """The pairs that were judged."""
        return [TraceComparison(row) for row in self.outcome.rows if row.verdict is not None]

    @property
    def passed(self) -> bool:
        """Whether `harness verify` would end with exit code 0."""
        from harness.report.verification import outcome_exit_code

        return outcome_exit_code(self.outcome) == 0

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        from harness.report.verification import for_terminal

        return str(for_terminal(self.outcome))

    def __repr__(self) -> str:
        from harness.report.verification import headline

        return f"<{headline(self.outcome)}>"

    def _repr_html_(self) -> str:
        return "\n".join(comparison._repr_html_() for comparison in self.comparisons)


@extra()
def verify(
    network: "_Path | NetSpec",
    config: "TrainConfig | None" = None,
    *,
    steps: int | None = None,
    batch: int | None = None,
    image_size: int | None = None,
    dtype: "DType" = "f32",
    seed: int = 42,
    data: str | None = None,
    out: _Path = ".",
    mode: str = "cross-comp",
    require_coverage: float = 0.0,
    backends: Sequence[str] | None = None,
    pipeline_cmd: Sequence[str] = (),
    modules: Sequence[str] = (),
    **settings: Any,
) -> VerifiedNetwork:
    """Train a network with every pipeline on every backend and judge each pair, as `harness verify` does.

    `network`: a short name, the path of a network's file, or a NetSpec, with its `config`; of those a file is written
    into `out`. Layers of your own have to be in a module that can be imported. The other options are
    of the command, `settings` among them: `f64_check`, `stress`, `wide`, `lockstep`, `segment`, `states`, `factorial`.

    Raises: HarnessError in one line for what makes no sense; a run that fails is a result and not an error.
    """
    from harness.commands.run_options import RunOptions
    from harness.commands.verify import verify as run_and_judge
    from harness.report.verification import write_reports
    from harness.run.backends import backend
    from harness.run.verification import Verification
    from harness.spec.as_code import write_network
    from harness.spec.netspec import DType, NetSpec
    from harness.verdict.compare import judging_by

    _check({"steps": steps, "batch": batch, "image_size": image_size, "seed": seed}, settings)
    if dtype not in get_args(DType):
        raise ContractError(f"dtype is {dtype!r}, expected {' or '.join(get_args(DType))}.")
    for option, names in (("backends", backends), ("pipeline_cmd", pipeline_cmd), ("modules", modules)):
        if isinstance(names, str):
            raise ContractError(f"{option} is {names!r}, expected a list: [{names!r}].")
    for name in backends or ():
        backend(name)
    judging = judging_by(mode, None, None, False, require_coverage)
    folder = Path(out)
    model = write_network(network, config, folder) if isinstance(network, NetSpec) else os.fspath(network)
    asked = RunOptions(
        model=str(model),
        steps=steps,
        batch=batch,
        image_size=image_size,
        profile="shared",
        dtype=dtype,
        seed=seed,
        data=data,
        shuffle=False,
        eager=False,
        channels="default",
        timeout=None,
        keep_states=0,
        externals=tuple(pipeline_cmd),
        modules=tuple(modules),
        out=folder,
    )
    chosen = None if backends is None else tuple(backends)
    verification: Verification = replace(asked.load(), backends=chosen, **settings)
    try:
        outcome = run_and_judge(verification, judging)
        return VerifiedNetwork(outcome, tuple(write_reports(outcome)))
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        raise ContractError(f"{place}{error.strerror or error}.") from None


def _check(counts: Mapping[str, int | None], settings: Mapping[str, Any]) -> None:
    """Raise ContractError for an option of `verify` that there is not, or of a value that makes no sense."""
    if wrong := sorted(settings.keys() - {*_SWITCHES, *_COUNTS}):
        raise ContractError(
            f"verify has no option {', '.join(wrong)}; the others are {', '.join(_SWITCHES + _COUNTS)}."
        )
    for option, value in {**counts, **settings}.items():
        least = 0 if option in ("seed", "states") else 1
        if option in _SWITCHES and not isinstance(value, bool):
            raise ContractError(f"{option} is {value!r}, expected True or False.")
        if option not in _SWITCHES and value not in (None, "full") and not (isinstance(value, int) and value >= least):
            raise ContractError(f"{option} is {value!r}, expected a whole number of at least {least}.")
