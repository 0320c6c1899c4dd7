"""The split of a difference between derivation and compiler: made-up runs, and real ones with injected errors."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.commands import verify
from harness.data.dataset import DataChoice
from harness.data.synthetic import write_synthetic
from harness.emit.export import export_script
from harness.errors import EmitError
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.report.verification import Outcome, for_json, for_markdown, for_terminal, outcome_exit_code
from harness.run.cell import Cell
from harness.run.inprocess import Phase2, Phase3, Side, recorded
from harness.run.pipelines import CONTROLS, FACTORIAL, MAIN, PIPELINES, UNCOMPILED
from harness.run.programs import prepare
from harness.run.verification import Verification
from harness.run.xla_device import XlaDevice
from harness.spec.models import Model
from harness.spec.run_config import RunConfig
from harness.spec.shapes import infer_shapes
from harness.trace.format import StepLine, Trace
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.store import StoredCell
from harness.verdict import pairs
from harness.verdict.compare import Judging
from harness.verdict.factorial import Factorial, split, split_factorial
from harness.verdict.relation import relation
from harness.verdict.tolerance import MODES
from tests.support.every_layer import scale_gradient, with_backward_mutated
from tests.support.networks import config, network
from tests.support.programs import drawn
from tests.support.sample_traces import trace, write
from tests.support.schemas import violation
from tests.support.tiny_programs import CONFIG, FILES, GRAPH, SPEC, TEST, TRAIN

NAMES = ("phase2", "phase2-iree", "phase3-xla", "phase3")
LOOSE = MODES["cross-comp"]
TINY = Model("tiny", SPEC, CONFIG, GRAPH, None, None)
rng = np.random.default_rng(0)
BASE = rng.random((4, 3)) + 1
CHANNELS = ("loss", "grad:w", "update:w")


def runs(derivation: float = 0.0, compiler: float = 0.0, interaction: float = 0.0) -> np.ndarray:
    """Values whose effects are these, relative to their size and alike in all channels."""
    signs = [(d, c) for d in (-1, 1) for c in (-1, 1)]
    return np.array([BASE * (1 + (d * derivation + c * compiler + d * c * interaction) / 2) for d, c in signs])


@pytest.mark.parametrize(
    ("effects", "shares"),
    [
        ((1e-3, 0, 0), (1, 0, 0)),
        ((0, 1e-6, 0), (0, 1, 0)),
        ((0, 0, 1e-9), (0, 0, 1)),
        ((3e-5, 4e-5, 0), (9 / 25, 16 / 25, 0)),
        ((1e-4, -1e-4, 1e-4), (1 / 3, 1 / 3, 1 / 3)),
    ],
)
def test_the_split_gives_back_what_was_put_in(effects: tuple[float, ...], shares: tuple[float, ...]) -> None:
    found = split(runs(*effects), BASE, CHANNELS, NAMES)
    assert found is not None
    assert (found.derivation, found.compiler, found.interaction) == pytest.approx(shares, abs=1e-5)
    largest = max(abs(sum(s * e for s, e in zip(signs, effects, strict=True))) for signs in SIGNS)
    assert found.largest == pytest.approx(largest, rel=1e-4)


# By which effects two runs can differ: one factor, or both.
SIGNS = [(1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1), (1, 1, 0), (1, -1, 0)]


def test_channels_count_by_their_size_and_the_largest_is_named() -> None:
    values = np.repeat(BASE[None] * 1e6, 4, axis=0)
    values[2:, 1, 1] *= 1 + 1e-3  # the second derivation, in one channel of one step
    values[1::2, 0, 0] *= 1 + 1e-4  # the second compiler
    found = split(values, BASE * 1e6, CHANNELS, NAMES)
    assert found is not None
    assert (found.channel, found.step) == ("grad:w", 2)
    assert found.derivation == pytest.approx(1e-6 / (1e-6 + 1e-8), rel=1e-3)


def test_equal_runs_have_no_shares() -> None:
    assert split(runs(), BASE, CHANNELS, NAMES) is None


def test_a_difference_of_one_ulp_is_split_exactly() -> None:
    values = runs()
    values[2:] = np.nextafter(values[2:], 9)
    found = split(values, BASE, CHANNELS, NAMES)
    assert found is not None
    assert (found.derivation, found.compiler, found.interaction) == (1, 0, 0)


def traces(changes: Callable[[int, int, int], float], steps: int = 8) -> dict[str, Trace]:
    """Four traces with norms whose values are multiplied by 1 + changes(derivation, compiler, step)."""
    found = {}
    for number, name in enumerate(NAMES):
        factors = [1 + changes(number // 2, number % 2, step) for step in range(1, steps + 1)]
        lines = {
            step: StepLine(
                kind="step",
                step=step,
                epoch=0,
                loss=factor,
                lr=0.001,
                grad_norms={"w": 2 * factor, "b": factor},
                update_norms={"w": 1e-3, "b": 1e-3},
            )
            for step, factor in enumerate(factors, 1)
        }
        found[name] = replace(trace(factors), lines=lines)
    return found


def factorial(changes: Callable[[int, int, int], float], judged: int = 8) -> Factorial:
    return split_factorial("cpu", traces(changes), judged, LOOSE)


def test_four_equal_runs_are_said_to_be_equal() -> None:
    found = factorial(lambda d, c, step: 0)
    assert found.line == "the four runs agree bitwise (steps 1 to 8, loss and 4 norms)."
    assert (found.shares, found.by_step, found.missing) == (None, (), None)


def test_it_is_computed_from_the_three_steps_from_the_first_that_differs() -> None:
    """Later steps, in which rounding has grown, have no say."""
    found = factorial(lambda d, c, step: 0 if step < 3 else 1e-6 * c if step < 6 else 1e-3 * d)
    assert found.steps == 5
    assert str(found.shares) == "100 % compiler, 0 % derivation"
    assert [shares.step for shares in found.by_step] == [3, 4, 5]
    assert "(steps 1 to 5, loss and 4 norms; the largest is 1.0e-06 of loss at step 3)" in found.line


def test_it_goes_up_to_the_step_that_fails() -> None:
    found = factorial(lambda d, c, step: 1e-7 * c + (0.3 * d if step > 5 else 0))
    assert found.steps == 6
    assert str(found.shares) == "100 % derivation, 0 % compiler"
    assert factorial(lambda d, c, step: 1e-7 * c + (0.3 * d if step > 5 else 0), judged=4).steps == 3


def test_a_run_that_differs_alone_is_named() -> None:
    found = factorial(lambda d, c, step: 1e-3 * (1 - d) * (1 - c) + 1e-6 * d)
    assert found.shares is not None
    assert found.shares.alone == "phase2"
    assert found.line.endswith("; phase2 alone differs from the other three.")
    both = factorial(lambda d, c, step: 1e-3 * d + 1e-3 * c).shares
    assert both is not None
    assert both.alone is None


def test_a_control_that_differs_alone_leaves_the_way_over_the_other() -> None:
    found = factorial(lambda d, c, step: 1e-3 * (1 - d) * c + 4e-6 * d + 3e-6 * d * c)
    assert found.shares is not None
    assert found.shares.alone == "phase2-iree"
    assert found.line.endswith(
        "phase2-iree alone differs from the other three, which are apart by 7.0e-06: 64 % derivation, 36 % compiler."
    )


def test_what_is_not_a_number_is_not_split() -> None:
    found = factorial(lambda d, c, step: float("nan") if (d, c, step) == (1, 0, 2) else 0)
    assert found.missing == "loss of phase3-xla is not finite at step 2."
    assert found.shares is None


def test_the_table_of_corners_is_the_table_of_pipelines() -> None:
    assert list(FACTORIAL) == list(NAMES)
    assert {*MAIN, *CONTROLS} == set(FACTORIAL)
    assert {*FACTORIAL, *UNCOMPILED} == set(PIPELINES)


def facts(pipeline: str, backend: str = "cpu") -> CellFacts:
    return CellFacts(model="tiny", pipeline=pipeline, backend=backend)


def test_corners_that_share_one_side_of_the_square_pair() -> None:
    kinds = {(a, b): relation(facts(a), facts(b)) for a in NAMES for b in NAMES}
    assert kinds["phase2", "phase3"] == "cross-compiler"
    assert kinds["phase2", "phase2-iree"] == kinds["phase3", "phase3-xla"] == "same-derivation"
    assert kinds["phase2", "phase3-xla"] == kinds["phase3", "phase2-iree"] == "same-compiler"
    assert kinds["phase2-iree", "phase3-xla"] is kinds["phase3-xla", "phase3-xla"] is None
    assert relation(facts("phase3-xla"), facts("phase3-xla", "cuda")) is None
    assert relation(facts("phase3-xla"), facts("lean")) is None
    (interpreted,) = UNCOMPILED
    assert {name: relation(facts(interpreted), facts(name)) for name in PIPELINES} == {
        "phase2": None,
        "phase2-iree": None,
        "phase3-xla": "same-derivation",
        "phase3": "same-derivation",
        interpreted: None,
    }


def test_a_pipeline_of_another_revision_pairs_with_itself_alone():
    assert relation(facts("phase2@1a2b3c4"), facts("phase2")) == "cross-time"
    assert relation(facts("phase3-xla"), facts("phase3-xla@1a2b3c4")) == "cross-time"
    assert relation(facts("phase2@1a2b3c4"), facts("phase2@5d6e7f8")) == "cross-time"
    for other in (facts("phase3"), facts("phase2-iree"), facts("phase2", "cuda"), facts("lean")):
        assert relation(facts("phase2@1a2b3c4"), other) is None


# The runs in this process, so that an error can be injected in some of them.


class ExportedPhase2(Phase3):
    """Phase 2's step on IREE."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.text = export_script(Phase2(*arguments).script)["train_step"]


class Phase3OnXla(Phase3):
    """Phase 3's step on XLA."""

    folder: Path

    def _device(self, text: str, what: str) -> XlaDevice:
        path = self.folder / f"{what}.mlir"
        path.write_text(text)
        return XlaDevice([path])


VECTORS = infer_shapes(network((6,), Dense(6, 16, activation=Relu()), Dense(16, 4)))


def run(side: Side) -> Trace:
    batches, steps_per_epoch = drawn(VECTORS, config(), side.dtype)
    rates = side.rates(len(batches), steps_per_epoch)
    steps = side.train(batches, rates)
    return recorded(side, steps, batches, rates, steps_per_epoch=steps_per_epoch).trace


def factorial_of(sides: list[Side]) -> Factorial:
    return split_factorial("cpu", dict(zip(NAMES, map(run, sides), strict=True)), 8, LOOSE)


def test_an_error_of_a_derivation_is_blamed_on_it(tmp_path: Path) -> None:
    """A gradient that is too large by a thousandth: rounding is much smaller, on both compilers."""
    Phase3OnXla.folder = tmp_path
    given = (VECTORS, config(), "f32")
    wrong = with_backward_mutated(Dense, scale_gradient("w", 1.001))
    by_hand: list[Side] = [Phase3OnXla(*given, rules=wrong), Phase3(*given, rules=wrong)]
    found = factorial_of([Phase2(*given), ExportedPhase2(*given), *by_hand])
    assert found.shares is not None
    assert found.shares.derivation > 0.95
    assert found.shares.largest == pytest.approx(1e-3, rel=0.1)
    assert found.shares.channel.startswith("grad:dense")
    assert "100 % derivation, 0 % compiler" in found.line


def in_bfloat16(text: str) -> str:
    """Every matrix product of a module rounded to seven bits."""
    product = re.compile(r"^( *)%(\S+) = (stablehlo\.dot_general .* -> )(tensor<\S+f32>)(.*)$", re.MULTILINE)
    return product.sub(r"\1%exact_\2 = \3\4\5\n\1%\2 = stablehlo.reduce_precision %exact_\2, format = e8m7 : \4", text)


def test_an_error_of_a_compiler_is_blamed_on_it(tmp_path: Path) -> None:
    Phase3OnXla.folder = tmp_path
    given = (VECTORS, config(), "f32")
    on_iree = [ExportedPhase2(*given), Phase3(*given)]
    for side in on_iree:
        side.text = in_bfloat16(side.text)
        assert "reduce_precision" in side.text
    found = factorial_of([Phase2(*given), on_iree[0], Phase3OnXla(*given), on_iree[1]])
    assert found.shares is not None
    assert found.shares.compiler > 0.95
    assert found.shares.largest > 1e-3


# The runs as verify runs them.


@pytest.fixture(scope="module")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_synthetic(folder, FILES, train=TRAIN, test=TEST)
    return folder


def test_four_runs_agree_in_f64_and_are_reported(tmp_path: Path, tiny_data: Path) -> None:
    run = RunConfig(dtype="f64", steps=3, channels="all")
    four = Verification(model=TINY, out=tmp_path, run=run, backends=("cpu",), data=str(tiny_data), factorial=True)
    found = verify.verify(four, Judging())
    assert [cell.facts.pipeline for cell in found.cells] == [*MAIN, *CONTROLS]
    assert [cell.note for cell in found.cells] == [""] * 4
    assert sorted(row.kind for row in found.rows) == [
        "cross-compiler",
        *["same-compiler"] * 2,
        *["same-derivation"] * 2,
    ]
    assert [row.verdict.status for row in found.rows if row.verdict] == ["PASS"] * 5
    (factorial,) = found.factorials
    assert factorial.missing is None
    assert len(factorial.channels) == 1 + 2 * len(GRAPH.params)
    assert factorial.shares is None or factorial.shares.largest < 1e-9
    assert outcome_exit_code(found) == 0
    assert f"2x2 factorial on cpu: {factorial.line}" in str(for_terminal(found))
    assert "## 2x2 factorial on cpu" in for_markdown(found)
    document = json.loads(for_json(found))
    assert document["squares"][0]["line"] == factorial.line
    assert violation(document, "verify") is None
    headers = [json.loads(cell.trace.read_text().splitlines()[0]) for cell in found.cells]
    assert [(h["phase"], h["pipeline"]) for h in headers] == [(n[:6], n) for n in (*MAIN, *CONTROLS)]


def test_a_run_that_does_not_compile_says_why(tmp_path: Path) -> None:
    """IREE refuses what JAX makes of a pool whose windows overlap the border."""
    layers = (ConvBn(1, 3, kernel=3, stride=2), MaxPool(3, 2), Flatten(), Dense(147, 10))
    graph = infer_shapes(replace(SPEC, layers=layers))
    cell = Cell(replace(TINY, spec=graph.spec, graph=graph), "phase2-iree", "cpu")
    with pytest.raises(EmitError, match=r"tiny.phase2-iree.train_step.mlir: iree-compile .*select_and_scatter"):
        prepare(cell, tmp_path)


def test_a_factorial_without_a_run_is_incomplete_and_no_pass(tmp_path: Path) -> None:
    four = Verification(model=TINY, out=tmp_path, factorial=True)
    results = []
    (tmp_path / "traces").mkdir()
    for name in (*MAIN, *CONTROLS):
        cell = Cell(TINY, name, "cpu")
        trace = tmp_path / "traces" / f"{cell.name}.jsonl"
        refused = {"status": "refused", "reason": "not legal"} if name == "phase2-iree" else {"status": "complete"}
        results.append(StoredCell(four.facts(cell), Manifest(**refused), trace, tmp_path))
        if name != "phase2-iree":
            write(trace, [2.0, 1.0])
    (factorial,) = pairs.split_factorials(results, Judging())
    assert factorial.line == "incomplete: phase2-iree-cpu: refused: not legal"
    assert factorial.shares is None
    rows = tuple(pairs.judge_pairs(results, Judging()))
    verdicts = {row.name: row.verdict.status for row in rows if row.verdict}
    assert verdicts.pop("phase2-cpu vs phase2-iree-cpu") == "INCONCLUSIVE"
    assert verdicts.pop("phase3-cpu vs phase2-iree-cpu") == "INCONCLUSIVE"
    assert set(verdicts.values()) == {"PASS"}
    found = Outcome(
        verification=four,
        judging=Judging(),
        data=DataChoice(tmp_path, "mnist", "ab", 43),
        init_sha256="cd",
        cells=tuple(results),
        evidence=(),
        rows=rows,
        factorials=(factorial,),
    )
    assert outcome_exit_code(found) == 3
    assert "2x2 factorial on cpu: incomplete: phase2-iree-cpu: refused: not legal" in str(for_terminal(found))
