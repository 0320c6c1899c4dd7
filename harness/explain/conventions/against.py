"""`harness explain MODEL --against FILE`: the conventions of a run that left nothing but this trace."""

import hashlib
import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.data.batches import batch_sha256
from harness.data.dataset import resolve_data
from harness.data.initial_parameters import initial_parameters
from harness.emit.header import header_facts
from harness.errors import TraceError
from harness.explain.conventions.practice import Practice
from harness.explain.conventions.result import Candidate, SearchResult
from harness.explain.conventions.search import WINDOW, search
from harness.explain.conventions.switches import DEFAULT, applied, phrase
from harness.explain.conventions.table import switches_of
from harness.explain.conventions.trials import TrialFeed, Trials
from harness.explain.locate.definition import defined_rate
from harness.nn.cases import OracleCase, find_case
from harness.run.inprocess import Batch, open_feed
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.system.text import Document, Table, spaced
from harness.trace.format import Trace, TraceHeader, one_line
from harness.trace.reader import read_trace
from harness.verdict.compare import COARSEST_RATE, RATE_ATOL, RATE_RTOL, first_nonfinite
from harness.verdict.identity import compare_identity
from harness.verdict.resolution import find_resolution
from harness.verdict.tolerance import first_false

AGAINST_VERSION = 1
STEPS = 100
_WIDEST = 60  # of the column of conventions


@dataclass(frozen=True)
class ConventionsReport:
    """A network, a trace of it, and the result of the search."""

    case: OracleCase
    trace: Trace
    dtype: DType
    result: SearchResult

    @property
    def exit_code(self) -> int:
        """0: the default conventions reproduce B, 1: others do, or none, 3: B has too few steps to tell."""
        return self.result.exit_code

    @property
    def text(self) -> Document:
        """The report for people."""
        printed = f", printed to {self.result.resolution:.0e}" if self.result.resolution else ""
        head = [
            f"network   {self.case.spec.name}, {self.case.graph().total_params:,} parameters",
            f"B         {self.trace.path}: {self.trace.header.phase}, {self.dtype}, {self.trace.steps} steps{printed}",
            f"          {self._stated()}",
        ]
        names = [textwrap.fill(phrase(c.switches), _WIDEST) for c in self.result.tried]
        rows = [
            [name, _outcome(c), f"{c.gap:.1e}", str(c.steps)] for name, c in zip(names, self.result.tried, strict=True)
        ]
        table = Table(("phase 2 with", "differs from B at", "loss differs by", "steps"), rows)
        return Document([*head, "", table, "", self.result.sentence()])

    def _stated(self) -> str:
        """The conventions that the header states, which are a hint and no proof."""
        stated = self.trace.header.conventions
        if stated is None:
            return "its header states no conventions"
        defaults = asdict(Conventions())
        others = [f"{name}={value}" for name, value in stated.items() if value != defaults.get(name)]
        return f"its header states {', '.join(others) or 'the default conventions'}"

    @property
    def document(self) -> dict[str, Any]:
        """The report for programs."""
        result = self.result
        return {
            "against_version": AGAINST_VERSION,
            "netspec_name": self.case.spec.name,
            "netspec_hash": self.case.spec.netspec_hash(),
            "trace": self.trace.path,
            "dtype": self.dtype,
            "print_resolution": result.resolution or None,
            "stated": self.trace.header.conventions,
            "sentence": result.sentence(),
            "evidence": self._evidence(),
            "closing": [_facts(c) for c in result.matching],
            "tried": [_facts(c) for c in result.tried],
            "exit_code": result.exit_code,
        }

    def _evidence(self) -> dict[str, Any] | None:
        """The figure by which the default conventions fail, before and after those that close the gap."""
        first = self.result.matching[0] if self.result.matching else None
        closed = self.result.gap_closed_by(first) if first is not None else None
        if closed is None:
            return None
        before, after = closed
        where = {"step": before.step, "channel": before.channel, "statistic": before.statistic}
        return where | {"before": before.relative, "after": after, "allowed": before.allowed}


def _outcome(candidate: Candidate) -> str:
    if candidate.failed_at is None:
        return "-"
    step, kind = candidate.failed_at
    return f"step {step}, {kind}"


def _facts(candidate: Candidate) -> dict[str, Any]:
    step, kind = candidate.failed_at or (None, None)
    return {
        "acts_in": sorted({switch.stage for switch in candidate.switches}),
        "switches": {switch.name: switch.value for switch in sorted(candidate.switches, key=str)},
        "parts_at": None if step is None else {"step": step, "channel": kind},
        "loss_apart": candidate.gap if np.isfinite(candidate.gap) else None,
        "steps": candidate.steps,
        "by_phase3": candidate.replayed,
    }


def explain_all_against(model: str, paths: Sequence[Path], **about: Any) -> list[ConventionsReport]:
    """The reports on several traces, `about` for all of them; see `explain_against`.

    What is compiled for one serves the next, which costs little more than the steps of its trials.
    """
    shared: dict[tuple[DType, bool], Trials] = {}
    return [explain_against(model, path, **about, shared=shared) for path in paths]


def render_all(reports: Sequence[ConventionsReport], form: str) -> Document | str:
    """Reports as text or as JSON, where several are an array."""
    if form != "json":
        return spaced(report.text for report in reports)
    documents = [report.document for report in reports]
    return json.dumps(documents if len(documents) > 1 else documents[0], indent=2, ensure_ascii=False) + "\n"


def explain_against(
    model: str,
    path: str | Path,
    *,
    steps: int = STEPS,
    data: str | None = None,
    batch: int | None = None,
    image_size: int | None = None,
    init_seed: int = DEFAULT_INIT_SEED,
    shared: dict[tuple[DType, bool], Trials] | None = None,
) -> ConventionsReport:
    """Search the conventions under which phase 2 of a network, or of a case of the oracle, gives a trace.

    `steps`: up to which a set that reproduces it is followed. `shared`: trials of the same network, data and start by
    dtype and whether their epochs are shuffled; those of this trace are added.

    Raises: TraceError when the trace cannot be read, has no steps or is of another network, config, start or data.
    """
    whole = read_trace(path)
    trace = _finite(whole)
    case = find_case(model, batch, image_size)
    spec, config, graph = case.spec, case.config, case.graph()
    choice = resolve_data(data, spec.dataset, spec.input_shape)
    if trace.header.dtype == "wide":
        raise TraceError(
            f"{path}: a run in wide arithmetic; conventions are searched in f32 and f64. Give one of those."
        )
    dtype: DType = "f64" if trace.header.dtype == "f64" else "f32"
    shuffle = trace.header.shuffle or False
    feed = open_feed(graph, config, choice.folder, dtype, shuffle=shuffle)
    initial = np.concatenate([p.ravel() for p in initial_parameters(graph.params, init_seed)])
    header = header_facts(graph, config, dtype, Conventions(), "phase2") | {
        "dataset": choice.name,
        "data_sha256": choice.data_sha256,
        "init_sha256": hashlib.sha256(initial.astype("<f4").tobytes()).hexdigest(),
        "epoch_steps": feed.steps_per_epoch,
        "shuffle": shuffle,
    }
    trial_feed = TrialFeed(lambda t: Batch(*feed.training(t)), feed.steps_per_epoch, initial)
    _refuse_another(trace, header, trial_feed, case, model)
    _refuse_other_names(trace, {p.name for p in graph.params}, model)
    kept = {} if shared is None else shared
    trials = kept.setdefault((dtype, shuffle), Trials(graph, config, dtype, trial_feed))
    result = search(trials, trace, steps=steps, replay=True)
    flaws = tuple(_flaws(whole, result, config, feed.steps_per_epoch))
    return ConventionsReport(case, trace, dtype, replace(result, flaws=flaws))


def _flaws(trace: Trace, result: SearchResult, config: TrainConfig, steps_per_epoch: int) -> Iterator[str]:
    """Sentences on the errors of a trace that no convention explains."""
    if (step := first_nonfinite(trace, trace.steps)) is not None:
        yield f"B is not finite from step {step} on."
    switches = (result.matching[0] if result.matching else result.nearest).switches
    switched = applied(switches, config).config
    steps = np.arange(1, trace.steps + 1)
    rates = np.array([float(defined_rate(switched, int(t), steps_per_epoch)) for t in steps])
    printed = min(find_resolution(trace.loss) or 0.0, COARSEST_RATE)
    step = first_false(np.abs(trace.lr - rates) <= RATE_RTOL * rates + RATE_ATOL * rates.max() + printed)
    if step is not None:
        yield f"Its learning rate at step {step} is {trace.lr[step - 1]:.9g} and not {rates[step - 1]:.9g}."
    step = first_false(trace.epoch == (steps - 1) // steps_per_epoch)
    if step is not None:
        yield f"Step {step} is in its epoch {trace.epoch[step - 1]} and not in {(step - 1) // steps_per_epoch}."


def _finite(trace: Trace) -> Trace:
    """The trace up to the first loss that is not a number.

    Raises: TraceError when nothing is left.
    """
    end = (first_false(np.isfinite(trace.loss)) or trace.steps + 1) - 1
    if end == 0:
        what = "no steps" if trace.steps == 0 else "no loss that is a number at step 1"
        raise TraceError(f"{trace.path}: the trace has {what}; a search for conventions needs some.")
    columns = {name: getattr(trace, name)[:end] for name in ("epoch", "loss", "lr")}
    return trace if end == trace.steps else replace(trace, **columns)


def _refuse_other_names(trace: Trace, names: set[str], model: str) -> None:
    """Raise TraceError for norms of parameters that the network does not have."""
    for step, line in trace.lines.items():
        for norms in (line.grad_norms, line.update_norms):
            if other := sorted((norms or {}).keys() - names):
                where = f"{one_line(trace.path)}: step {step} has norms of {one_line(other[0])}"
                raise TraceError(f"{where}, which {model} has not. Give the right MODEL.")


def _digests(trace: Trace, case: OracleCase, feed: TrialFeed, steps: Sequence[int]) -> dict[int, str]:
    """Of the batches of those steps, as they are fed or else as the one switch feeds them whose digests B has."""

    def fed_by(practice: Practice) -> dict[int, str]:
        batches = {t: practice.fed(feed.batch(t), case.spec) for t in steps}
        return {t: batch_sha256(batch.x, batch.labels) for t, batch in batches.items()}

    default = fed_by(applied(DEFAULT, case.config))
    stated = {t: trace.digests[t] for t in steps}
    data = [s for s in switches_of(case.graph(), case.config) if s.stage == "data"] if default != stated else []
    others = (fed_by(applied([switch], case.config)) for switch in data)
    return next((digests for digests in others if digests == stated), default)


def _refuse_another(trace: Trace, header: dict[str, Any], feed: TrialFeed, case: OracleCase, model: str) -> None:
    """Raise TraceError unless every fact in the trace is true of this network and its feed, switched or not."""
    steps = [t for t in sorted(trace.digests) if t <= trace.steps][:WINDOW]
    digests = _digests(trace, case, feed, steps)
    ours = Trace("", msgspec.convert(header, TraceHeader), trace.epoch, trace.loss, trace.lr, digests)
    identity = compare_identity(ours, trace, trace.steps)
    # A cause before its consequences.
    differences = sorted(identity.differences, key=lambda d: not d.key.startswith(("netspec_name", "config.")))
    for difference in (*differences, *([identity.batch_difference] if identity.batch_difference else [])):
        raise TraceError(
            f"{one_line(trace.path)}: {difference.key} is {one_line(repr(difference.b))}, for {model} it is "
            f"{one_line(repr(difference.a))}; only a run of the same network, config, start and data can be explained. "
            "Give the right MODEL, --batch, --image-size, --seed or --data."
        )
