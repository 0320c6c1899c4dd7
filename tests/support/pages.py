"""Reports that nobody ran, for the tests of what people look at."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from harness.night.checks import NightCheck
from harness.report.summary import Event, Summary, model_of
from harness.report.summary.build import summarise
from harness.report.summary.history import HistoryRow
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.envelope.envelope import read_envelope
from harness.verdict.envelope.find import SHIPPED
from harness.verdict.pair import PairRow
from harness.verdict.pairs import judge_cells
from tests.support.stored_cells import store
from tests.support.vendors import corner

EVIL = (
    "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>\"&amp;{{ 7 * 7 }}%{y}\u2028../../x"
)
COMMAND = "harness run mnist_mlp --pipeline phase3 --data 'a folder' && echo \"done\""
EVENT = Event("environment", "note", "12 cells were run by jax 0.10.2, their references by jax 0.10.1.")
_NIGHTS = [f"2026-03-{day:02d}" for day in range(3, 32)]


def falling(steps: int, seed: int, off: float = 0.0) -> list[float]:
    """Losses that fall like those of a run, apart by rounding that grows; `off`: added from step 2 on."""
    step = np.arange(steps)
    noise = 1e-7 * np.exp(np.minimum(step * 0.2, 11)) * np.random.default_rng(seed).normal(0, 1, steps)
    shape = 2.4 * np.exp(-6 * step / steps) * np.exp(np.random.default_rng(0).normal(0, 0.15, steps))
    return (shape * (1 + noise) + off * (step > 0)).astype(np.float32).tolist()


def a_night(root: Path, *, wrong: bool = False, steps: int = 700) -> Summary:
    """Three networks of two hosts; `wrong`: one pair differs, one cell crashed, a check failed, a file is damaged."""
    for model in ("mnist_mlp", "mnist_cnn", "vit_tiny"):
        for host, backend in (("host a", "cpu"), ("host b", "rocm")):
            for pipeline in ("phase2", "phase3"):
                seed = len(host + backend + pipeline + model)
                off = 0.5 if wrong and (model, pipeline, backend) == ("mnist_cnn", "phase3", "rocm") else 0.0
                crashed = wrong and (model, pipeline, backend) == ("vit_tiny", "phase3", "rocm")
                about = {"wall_s": 61.5, "test_accuracy": None if crashed else 0.9521}
                store(
                    root / host,
                    pipeline,
                    falling(9 if crashed else steps if model != "vit_tiny" else 24, seed, off),
                    model=model,
                    backend=backend,
                    host=host,
                    status="crashed" if crashed else "complete",
                    reason="signal SIGSEGV" if crashed else None,
                    header=_of_the_envelope() if model == "mnist_mlp" else None,
                    manifest=about,
                    provenance=_provenance(pipeline, backend),
                )
        absent = {"status": "refused", "reason": "no CUDA device", "absent": True, "asked": False}
        store(root / "host a", "phase2", (), backend="cuda", model=model, **absent)
    cells = tuple(
        replace(cell, facts=msgspec.structs.replace(cell.facts, command=COMMAND)) for cell in read_store([root]).cells
    )
    rows = tuple(judge_cells(cells, Judging()))
    checks = (
        NightCheck(
            name="oracle",
            command="harness oracle",
            status="PASS",
            exit_code=0,
            line="58 of 58 cases agree.",
            seconds=311.0,
        ),
        NightCheck(
            name="fuzz",
            command="make fuzz EXAMPLES=40",
            status="FAIL" if wrong else "PASS",
            exit_code=1 if wrong else 0,
            line="1 of 40 networks differs." if wrong else "40 of 40 networks agree.",
            output="drawn network 7: update of dense1.w\n" * 40,
            seconds=1204.0,
        ),
        NightCheck(
            name="power",
            command="harness power",
            status="NOT RUN" if wrong else "PASS",
            exit_code=None if wrong else 0,
            line="the budget was used up",
        ),
    )
    problems = ("host b/bad.manifest.json:1: not a manifest: JSON is malformed.",) if wrong else ()
    return Summary(
        "Training traces", "2026-04-01", "cross-comp", cells, rows, checks, (EVENT,), _history(rows), problems
    )


def many_pipelines(root: Path) -> Summary:
    """Six pipelines of one network, of which one is wrong: 15 pairs, 5 differ; of no night."""
    for number, name in enumerate(("phase2", "phase3", "lean", "torch", "flax", "wrong")):
        losses = [loss + number * 1e-7 for loss in falling(20, 0, 0.5 if name == "wrong" else 0.0)]
        store(root, name, losses, model="mnist_mlp")
    return summarise([root], Judging())


def four_corners(root: Path) -> Summary:
    """Both pipelines on two made-up vendors, of which one rounds its phase 3 otherwise."""
    for pipeline in ("phase2", "phase3"):
        for vendor in ("red", "green"):
            corner(root, pipeline, vendor, {3: 2} if (pipeline, vendor) == ("phase3", "red") else None)
    return summarise([root], Judging())


def a_hostile_night(root: Path) -> Summary:
    """Every text that a file of somebody else may bring is an attack on the page."""
    night = a_night(root, wrong=True, steps=100)
    evil = "n" * 300 + EVIL
    cells = tuple(
        replace(
            cell,
            trace=cell.trace.with_name(f"{cell.name}<b onclick=alert(1)>{'x' * 100}.jsonl"),
            facts=msgspec.structs.replace(cell.facts, command=EVIL, backend=cell.facts.backend + EVIL),
            manifest=msgspec.structs.replace(
                cell.manifest, reason=EVIL, stderr_tail=EVIL, provenance={EVIL: [EVIL], "host": EVIL + cell.host}
            ),
        )
        for cell in night.cells
    )
    rows = tuple(
        replace(row, a=EVIL, b=evil, kind=EVIL, note=EVIL if row.note else "", findings=(EVIL,), cells=cells[k : k + 2])
        for k, row in enumerate(night.rows)
    )
    checks = tuple(NightCheck(name=EVIL, command=EVIL, status="FAIL", line=EVIL, output=EVIL * 3) for _ in range(2))
    history = tuple(replace(row, model=EVIL, pair=EVIL) for row in night.history)
    events = (Event(EVIL, "note", EVIL), Event(evil, "fail", EVIL))
    return Summary(EVIL, EVIL, EVIL, cells, rows, checks, events, history, (EVIL, evil))


def _of_the_envelope() -> dict[str, object]:
    """Facts in a header of the shipped MLP."""
    envelope = read_envelope(next(SHIPPED.glob("MNIST_MLP-*.json")))
    names = (
        "netspec_name",
        "netspec_hash",
        "config",
        "total_params",
        "dataset",
        "data_sha256",
        "init_sha256",
        "shuffle",
    )
    return {name: getattr(envelope, name) for name in names}


def _provenance(pipeline: str, backend: str) -> dict[str, object]:
    return {
        "versions": {"jax": "0.10.2", "iree-base-compiler": "3.13.0"},
        "device": backend,
        "compiler": "XLA" if pipeline == "phase2" else "IREE",
        "compiler_flags": ["--xla_cpu_enable_fast_math=false"] if pipeline == "phase2" else [],
        "cpu_features": ["avx2", "fma"],
    }


def _history(rows: tuple[PairRow, ...]) -> tuple[HistoryRow, ...]:
    found = []
    for number, night in enumerate(_NIGHTS):
        for row in rows:
            status = {8: "FAIL", 17: "INCONCLUSIVE"}.get(number, "PASS")
            found.append(
                HistoryRow(
                    night=night,
                    model=model_of(row),
                    pair=row.name,
                    kind=row.kind,
                    status=status,
                    fault=None,
                    step_1=1e-7 * (2 + np.sin(number)),
                    step_2=1e-6,
                    median=None if status == "INCONCLUSIVE" else 3e-5,
                    max=1e-2,
                    accuracy_a=None,
                    accuracy_b=None,
                    seconds_a=60.0,
                    seconds_b=61.0,
                    host_a="host a",
                    host_b="host a",
                    trace_a=None,
                    trace_b=None,
                )
            )
    return tuple(found)
