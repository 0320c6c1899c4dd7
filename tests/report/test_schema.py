"""The JSON documents hold what their schemas say: no key more, none less."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from harness.report import as_json
from harness.report.factorial import describe
from harness.report.verification import VERIFY_VERSION
from harness.trace import manifest
from harness.trace.format import NonFinite
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.verdict import evidence
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside
from harness.verdict.factorial import Factorial, Shares
from harness.verdict.judge import Status, Verdict
from harness.verdict.pair import PairRow, judge_recordings
from harness.verdict.tolerance import MODES
from tests.support.f64_recordings import LOSSES, NORMS, Changes, f64_side
from tests.support.sample_traces import recording
from tests.support.schemas import SCHEMAS, violation

LONG = [2.0 / (k + 1) for k in range(20)]
COMPLETE = Manifest(status="complete", steps_written=20, test_accuracy=0.98, test_correct=9800, test_total=10000)
CRASHED = Manifest(status="crashed", steps_written=20)
WHOLE = recording(LONG, per_epoch=10, manifest=COMPLETE)
F32 = recording(LOSSES, dtype="f32"), recording(LOSSES, dtype="f32", pipeline="phase3", backend="cpu")
DEFAULT = Judging()


def pair(a: Any, b: Any, judging: Judging = DEFAULT, **keys: Any) -> PairRow:
    return judge_recordings(recording(a, **keys), recording(b, **keys), judging)


def climb(a: Recording, b: Recording, changes: Changes | None = None) -> PairRow:
    return judge_recordings(a, b, DEFAULT, beside=Beside(in_f64=compare(f64_side(), f64_side(changes=changes))))


def differing(name: str, a: Any, b: Any) -> PairRow:
    return judge_recordings(recording([1.0] * 4, **{name: a}), recording([1.0] * 4, **{name: b}), DEFAULT)


WORDS = {step: {"w": f"{step:016x}"} for step in range(1, len(LONG) + 1)}
ROWS = {
    "pass": judge_recordings(WHOLE, WHOLE, DEFAULT, "cross-compiler"),
    "pass with a f64 cross-check": climb(*F32),
    "fail in the f64 cross-check": climb(*F32, {("update_norms", "b", 1): 1.001}),
    "fail in f64": pair(LOSSES, LONG[:3], dtype="f64", norms=NORMS),
    "no f64 cross-check": judge_recordings(*F32, DEFAULT, beside=Beside("phase3-cpu.f64: crashed: out of memory")),
    "numerics": climb(F32[0], recording(LONG[:3], dtype="f32")),
    "forward": pair([1.0], [2.0]),
    "training": pair([1.0] * 40, [1.0] * 20 + [2.0] * 20, per_epoch=20),
    "schedule": differing("epoch", [0, 0, 0, 0], [0, 0, 1, 1]),
    "refused": differing("config_x", "y", [{"y": None}]),
    "other batches": differing("digests", {1: "aa"}, {1: "bb"}),
    "conventions": differing("conventions", {"x": True}, {"x": 1.5}),
    "other steps": pair(LONG, LONG[:8]),
    "crashed": judge_recordings(WHOLE, recording(LONG, manifest=CRASHED), DEFAULT),
    "empty": pair([], []),
    "bitwise": pair(LONG, LONG, Judging(MODES["bitwise"], window=3, steps=5)),
    "horizon": pair(LONG, LONG, Judging(horizon=12)),
    "decimals": pair([2.419939, 2.015347], [2.419939, 2.015348], Judging(all_steps=True)),
    "NaN": pair([1.0, math.nan, math.inf], [1.0, -math.inf, 2.0]),
    "NaN in a norm": climb(*F32, {("grad_norms", "w", 1): math.nan}),
    "findings": replace(pair([1.0], [2.0]), findings=("phase3 ran coupled weight decay.",)),
    "wide": judge_recordings(
        *[Recording(replace(recording(LONG, dtype="wide").trace, words=WORDS), None)] * 2, DEFAULT
    ),
    "absent": PairRow("phase2-cuda", "phase3-cuda", note="no CUDA device", kind="cross-compiler"),
    "asked for": PairRow("a", "b", verdict=Verdict("INCONCLUSIVE", "cells", "no CUDA device", None), note="no CUDA"),
}


def read(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_pair_is_as_its_schema_says(row: PairRow) -> None:
    assert violation(read(as_json.render([row])), "diff") is None


def test_the_pairs_show_every_status_and_fault() -> None:
    verdicts = [row.verdict for row in ROWS.values() if row.verdict is not None]
    assert {verdict.status for verdict in verdicts} == set(get_args(Status))
    assert {verdict.fault for verdict in verdicts} == {*get_args(evidence.Fault), None}
    assert violation(read(as_json.render(list(ROWS.values()))), "diff") is None
    assert violation(read(as_json.render([], 2)), "diff") is None


SHA = 64 * "a"
CELL = {"cell": "mnist_mlp.phase2-noshuf-cpu", "pipeline": "phase2", "backend": "cpu", "status": "complete"}
CELL |= {"absent": False, "note": "", "steps_written": 20, "test_accuracy": 0.9, "wall_s": 1.5, "trace": "t.jsonl"}
VERIFIED: dict[str, Any] = {"verify_version": VERIFY_VERSION, "model": "mnist_mlp", "netspec_name": "MNIST-MLP"}
VERIFIED |= {"netspec_hash": SHA, "profile": "shared", "dtype": "f32", "mode": "cross-comp", "batch_size": 128}
VERIFIED |= {"input_shape": [784], "planned_steps": 20, "dataset": "mnist", "data_sha256": SHA, "init_seed": 42}
VERIFIED |= {"init_sha256": SHA, "cells": [CELL | {"trace_sha256": SHA}], "evidence": [CELL | {"trace_sha256": None}]}
VERIFIED |= {"pairs": [as_json.describe_pair(row) for row in ROWS.values()]}
VERIFIED |= {"against": "", "squares": [], "exit_code": 1}

SHARES = Shares(0.25, 0.5, 0.25, 1e-7, "grad:w", 2, alone="phase2-iree-cpu")
FACTORIALS = (
    Factorial("cpu", missing="there is no step to compare."),
    Factorial("cpu", 3, ("loss",)),
    Factorial("cpu", 3, ("loss", "grad:w"), SHARES, (replace(SHARES, alone=None), SHARES), SHARES),
)


@pytest.mark.parametrize("factorial", FACTORIALS, ids=["missing", "equal", "split"])
def test_a_factorial_is_as_its_schema_says(factorial: Factorial) -> None:
    assert violation(VERIFIED | {"squares": [describe(factorial)]}, "verify") is None


OPTIONAL = {"a", "b", "mode", "judging", "identity", "numbers", "gates", "verdict"}  # of a pair
OF_A_GATE = {"delta_f32", "delta_f64", "log2_ratio", "f64_steps", "at_step", "judged_steps", "figures_beyond"}
OF_A_GATE |= {"wide_steps", "losses_differ", "tensors_differ", "states", "logits_apart", "steps_apart"}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object within a schema."""
    if isinstance(schema, dict) and schema.get("type") == "object":
        yield schema
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        yield from objects(child)


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_object_may_have_a_key_more_or_less(name: str) -> None:
    found = list(objects(SCHEMAS[name]))
    assert len(found) > 3
    for schema in found:
        assert schema["additionalProperties"] is False
        optional = OPTIONAL if "pair" in schema["properties"] else OF_A_GATE & schema["properties"].keys()
        assert set(schema["properties"]) - set(schema["required"]) == optional


def test_what_does_not_conform_is_told() -> None:
    assert violation(VERIFIED | {"more": 1}, "verify") is not None
    assert violation({key: value for key, value in VERIFIED.items() if key != "pairs"}, "verify") is not None
    row = as_json.describe_pair(ROWS["pass"])
    for wrong in ({**row, "more": 1}, {key: value for key, value in row.items() if key != "numbers"}):
        assert violation({"diff_version": as_json.DIFF_VERSION, "pairs": [wrong], "exit_code": 0}, "diff") is not None


def test_the_schemas_are_schemas_and_name_what_the_code_has() -> None:
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    definitions = SCHEMAS["diff.schema.json"]["$defs"]
    assert definitions["fault"]["enum"] == [*get_args(evidence.Fault), None]
    assert definitions["gate"]["properties"]["outcome"]["enum"] == list(get_args(evidence.Outcome))
    assert definitions["verdict"]["properties"]["status"]["enum"] == list(get_args(Status))
    assert definitions["run_status"]["enum"] == list(get_args(manifest.Status))
    assert definitions["mode_name"]["enum"] == list(MODES)
    assert definitions["number"]["anyOf"][1]["enum"] == list(get_args(NonFinite))


def test_a_bare_nan_is_no_number() -> None:
    document = read(as_json.render([ROWS["NaN"]]))
    numbers = document["pairs"][0]["numbers"]
    assert numbers["max"] == "NaN"
    for wrong in ("nan", "inf", True, [1.0]):
        numbers["max"] = wrong
        assert violation(document, "diff") is not None
