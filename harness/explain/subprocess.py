"""`harness explain` in a subprocess, so that its failure is not the caller's; the results as sentences."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.run.backends import BACKENDS
from harness.run.pipelines import PIPELINES
from harness.system.masking import mask_secrets
from harness.system.process import capture, run_module
from harness.system.scratch import scratch
from harness.trace.format import one_line
from harness.trace.store import StoredCell
from harness.verdict.evidence_cells import cells_in
from harness.verdict.gates import F64_CHECK, FORWARD, ROUNDING, UPDATE
from harness.verdict.pair import PairRow

_CONVENTIONS_TIMEOUT_S = 1800.0
_LAYER_TIMEOUT_S = 3600.0
# The gates that a difference of the mathematics fails in the first steps, which are what a search compares.
_OF_THE_FIRST_STEPS = {FORWARD.name, UPDATE.name, ROUNDING.name}
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Culprit:
    """The wrong piece of a training step: `backward of pool1 (phase3)`, empty when none is.

    `failed`: the search did not finish.
    """

    place: str
    sentence: str
    failed: bool = False


@dataclass(frozen=True)
class Trained:
    """What the runs of a pair trained. `network`: a short name or the path of a file; `data`: the folder."""

    network: str
    data: Path


def explain_pairs(rows: Sequence[PairRow], in_f64: Sequence[StoredCell], trained: Trained) -> Iterator[PairRow]:
    """The rows; those that differ in f64 with the conventions of either side, as the search names them.

    A program of somebody else that was not run in f64 is searched in f32, when its first steps differ from those of
    this project's by more than rounding. `in_f64`: cells in f64.
    """
    sentences: dict[StoredCell, str] = {}
    for row in rows:
        evidence = row.verdict.evidence if row.verdict is not None else ()
        failed = {line.gate for line in evidence if line.outcome == "fail"}
        sides: list[StoredCell] = []
        if F64_CHECK.name in failed:
            sides = [other for cell in row.cells for other in cells_in(cell, in_f64, "f64")]
        elif failed & _OF_THE_FIRST_STEPS:
            sides = [cell for cell in row.cells if cell.facts.pipeline not in PIPELINES and cell.trace.exists()]
        for cells in _searched_together([cell for cell in sides if cell not in sentences]):
            about = ["--data", str(trained.data), *cells[0].facts.start_options]
            found = search_conventions(trained.network, [cell.trace for cell in cells], about)
            sentences.update(zip(cells, found, strict=True))
        found_here = (f"with B = {cell.short_name} in {cell.facts.dtype}: {sentences[cell]}" for cell in sides)
        yield replace(row, findings=(*row.findings, *found_here))


def _searched_together(cells: Sequence[StoredCell]) -> Iterator[list[StoredCell]]:
    """Those of our own pipelines, for which one search compiles; another's trace may be refused, so it is alone."""
    ours = [cell for cell in cells if cell.facts.pipeline in PIPELINES]
    yield from ([cell] for cell in cells if cell not in ours)
    if ours:
        yield ours


def search_conventions(model: str, traces: Sequence[Path], options: Sequence[str]) -> list[str]:
    """The results of `harness explain MODEL --against TRACE …` as sentences, one a trace, or why there are none.

    `options`: those of the runs that are not the default, such as `--seed 43`.
    """
    against = [word for trace in traces for word in ("--against", str(trace))]
    search, timeout_s = "the search for conventions", _CONVENTIONS_TIMEOUT_S * len(traces)
    kind: Any = list[_Conventions] if len(traces) > 1 else _Conventions
    answer = _explain([model, *against, *options], kind, timeout_s, search)
    if isinstance(answer, str):
        return [answer] * len(traces)
    return [one.sentence for one in (answer if len(traces) > 1 else [answer])]


def search_layer(row: PairRow, trained: Trained) -> Culprit:
    """The layer, direction and side that `harness explain MODEL` names for the network of a pair."""
    facts = row.cells[0].facts
    with scratch() as folder:
        options = ["--profile", facts.profile, "--data", str(trained.data), *facts.start_options, "--out", str(folder)]
        search = "the search for the layer"
        answer = _explain([trained.network, *options], _Layer, _LAYER_TIMEOUT_S, search)
    if isinstance(answer, str):
        return Culprit("", answer, failed=True)
    if answer.fault is None:
        return Culprit("", "no layer, direction or update fails in isolation.")
    place = answer.layer if answer.layer == answer.direction else f"{answer.direction} of {answer.layer}"
    return Culprit(f"{place} ({answer.side})", " ".join([*answer.evidence[-1:], *answer.operations]) or place)


class _Conventions(msgspec.Struct, kw_only=True, frozen=True):
    """The part of the output of `explain --against` that is passed on."""

    sentence: str


class _Layer(msgspec.Struct, kw_only=True, frozen=True):
    """The part of the output of `explain` that is passed on."""

    fault: str | None
    layer: str
    direction: str
    side: str
    evidence: list[str]
    operations: list[str] = msgspec.field(default_factory=list)


def _explain(arguments: Sequence[str], kind: type[Answer], timeout_s: float, search: str) -> Answer | str:
    """The answer of `harness explain`, or in a sentence about the search why there is none."""
    command = [*run_module("harness"), "explain", *arguments, "--format", "json"]
    done = capture(command, {**os.environ, **BACKENDS["cpu"].jax_environment()}, timeout_s)
    if done is None:
        return f"{search} did not finish within {timeout_s:g} s."
    try:
        return msgspec.json.decode(done.out, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        last = (done.err.strip().splitlines() or [f"exit code {done.code}"])[-1]
        return f"{search} failed: {one_line(mask_secrets(last))}"
