"""The oracle's table of cases, its processes, its table of results and its command."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.errors import EmitError, SpecError
from harness.nn.cases import BLIND_SPOTS, CASES, CONFIG, PUBLISHED, find_case
from harness.nn.layers.hard_sigmoid import HardSigmoid
from harness.nn.layers.hard_swish import HardSwish
from harness.nn.layers.relu6 import Relu6
from harness.nn.rules import registered_rules
from harness.run.inprocess import first_batches
from harness.run.inprocess.reference_interpreter import interpret, operations
from harness.validation.oracle.examination import InterpretedStep, OracleFinding
from harness.validation.oracle.judgement import Largest, complaints, gradient_difference
from harness.validation.oracle.side_by_side import SideBySide
from harness.validation.oracle.table import exit_code, render
from harness.validation.oracle.worker import OracleTask
from harness.validation.oracle.workers import OracleRow, run_tasks
from tests.support.processes import dies, start

# Source: the published table.
COUNTS = {
    "dense": 7_850,
    "dense-relu": 50_890,
    "conv": 31_410,
    "convbn": 31_414,
    "conv-pool": 7_890,
    "residual": 31_718,
    "depthwise": 31_590,
    "attention": 3_514,
    "mbconv": 31_632,
    "global-avg-pool": 94,
    "bottleneck": 62_910,
    "mbconv-v3": 31_632,
    "fused-mbconv": 31_758,
    "uib": 31_762,
}
BAD = OracleFinding(10, Largest(float("nan"), "w"), (0.0, float("nan"), 0.0), Largest(1.0, "w"), None, ("it differs",))


def test_the_published_cases_have_the_published_sizes_and_training() -> None:
    assert {case.name: case.graph().total_params for case in PUBLISHED} == COUNTS
    assert all(case.config == CONFIG for case in PUBLISHED)
    assert CONFIG.header()["use_adam"] is True
    assert (CONFIG.lr, CONFIG.batch_size, CONFIG.epochs, CONFIG.weight_decay) == (0.001, 4, 1, 0.0)


def test_the_cases_hold_every_layer_that_has_rules() -> None:
    held = {type(node.layer) for case in CASES.values() for node in case.graph().nodes}
    ours = {layer for layer in registered_rules().hlo_backward if layer.__module__.startswith("harness.")}
    assert held == ours  # a file of somebody else may have registered more in this process
    assert len(CASES) == len(PUBLISHED) + len(BLIND_SPOTS)


def test_a_network_of_another_size_than_published_is_refused() -> None:
    case = find_case("dense")
    with pytest.raises(SpecError, match="dense: 7,850 parameters, expected 7,851"):
        type(case)(case.name, case.spec, case.config, None, params=7_851).graph()


def test_networks_are_cases_at_the_size_that_is_asked_for() -> None:
    case = find_case("mnist_cnn", batch=2)
    assert (case.config.batch_size, case.tolerance, case.params) == (2, None, None)
    assert find_case("resnet34", image_size=64).spec.input_shape == (3, 64, 64)
    with pytest.raises(
        SpecError, match=r"unknown case 'resnet'; did you mean 'resnet50'\? Known are dense, .* `harness models` lists"
    ):
        find_case("resnet")
    with pytest.raises(SpecError, match="dense: the case has one image size only"):
        find_case("dense", image_size=32)


# Backward rules that forget one of an activation's two bends.
FORGETFUL = {
    "relu6 above": (Relu6, lambda facts, h, x, dy: (h.select(h.compare("GT", x, 0.0), dy, 0.0),)),
    "hard sigmoid above": (
        HardSigmoid,
        lambda facts, h, x, dy: (h.select(h.compare("GT", x, -3.0), h.mul(dy, 1 / 6), 0.0),),
    ),
    "hard sigmoid below": (
        HardSigmoid,
        lambda facts, h, x, dy: (h.select(h.compare("LT", x, 3.0), h.mul(dy, 1 / 6), 0.0),),
    ),
    "hard swish above": (
        HardSwish,
        lambda facts, h, x, dy: (
            h.mul(dy, h.select(h.compare("GT", x, -3.0), h.div(h.add(h.mul(x, 2.0), 3.0), 6.0), 0.0)),
        ),
    ),
    "hard swish below": (
        HardSwish,
        lambda facts, h, x, dy: (
            h.mul(dy, h.select(h.compare("LT", x, 3.0), h.div(h.add(h.mul(x, 2.0), 3.0), 6.0), 1.0)),
        ),
    ),
}


def test_the_case_of_bent_activations_reaches_their_bends(mnist: Path) -> None:
    case = find_case("bent-activations", batch=2)
    graph = case.graph()
    first = first_batches(graph, case.config, mnist, 1, "f64")
    right = SideBySide(graph, case.config, "f64").phase2(first.batches, first.steps_per_epoch)[0]
    for name, (layer, rule) in FORGETFUL.items():
        wrong = registered_rules().replace(hlo_backward={layer: rule})
        both = SideBySide(graph, case.config, "f64", rules=wrong)
        found = gradient_difference(both.interpreted(first.batches[0], first.steps_per_epoch).grads, right.grads)
        assert not found.within(1e-9), name


def test_every_criterion_complains_for_itself() -> None:
    fine, bad = Largest(0.0, "w"), Largest(float("nan"), "b")
    assert complaints("f64", 1e-5, fine, (0.0, 1e-9, 0.0), fine) == []
    assert complaints("f32", None, Largest(0.2, "w"), (1.0, 1.0, 1.0), fine) == []
    assert len(complaints("f32", None, bad, (float("nan"), float("inf"), 0.0), bad)) == 4
    assert complaints("f32", 1e-5, fine, (0.0, 1e-5, 2e-5), fine) == [
        "the loss of step 3 differs by 2.00e-05, 1e-05 allowed"
    ]
    assert len(complaints("f64", 1e-5, bad, (float("nan"), 2e-9, 0.0), bad)) == 4
    assert complaints("f32", 1e-5, Largest(6e-3, "conv1.w"), (), fine) == [
        "the gradient of conv1.w differs by 6.00e-03, 5e-03 allowed"
    ]


MODULE = """
module @m {
  func.func private @other(%x: tensor<f64>) -> tensor<f64> {
    %y = stablehlo.add %x, %x : tensor<f64>
    return %y : tensor<f64>
  }
  func.func @f(%x: tensor<2x3xf64>, %i: tensor<i32>) -> (tensor<3xf64>, tensor<2x2xf64>, tensor<i32>) {
    %c = stablehlo.constant dense<0.0> : tensor<f64>
    %s = stablehlo.reduce(%x init: %c) applies stablehlo.add across dimensions = [0]
      : (tensor<2x3xf64>, tensor<f64>) -> tensor<3xf64>
    %z = func.call @other(%c) : (tensor<f64>) -> tensor<f64>
    %d = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1]
      : (tensor<2x3xf64>, tensor<2x3xf64>) -> tensor<2x2xf64>
    return %s, %d, %i : tensor<3xf64>, tensor<2x2xf64>, tensor<i32>
  }
}
"""


def test_the_interpreter_runs_one_function_and_its_work_is_known() -> None:
    x = np.arange(6.0).reshape(2, 3)
    total, product, same = interpret(MODULE, "f", [x, np.array(7, np.int32)])
    np.testing.assert_array_equal(total, x.sum(0))
    np.testing.assert_array_equal(product, x @ x.T)
    assert (same.shape, same) == ((), 7)
    assert operations(MODULE, "f") == 1 + 6 + 1 + 4 * 3


def test_what_the_interpreter_refuses_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EmitError, match="f: the StableHLO interpreter: "):
        interpret(MODULE, "f", [np.zeros(2), np.array(7, np.int32)])


def test_a_table_tells_rows_that_agree_differ_and_broke() -> None:
    steps = InterpretedStep(9, Largest(1e-15, "w"), Largest(2e-15, "w"), 0.0), InterpretedStep(10**12)
    asked, left_out = (
        OracleFinding(10, Largest(1e-12, "w"), (0.0,) * 3, Largest(1.0, "w"), step, ()) for step in steps
    )
    rows = [OracleRow("a", "f64", asked, "", 1.0), OracleRow("b", "f64", left_out, "", 1.0)]
    assert exit_code(rows) == 0
    assert "f64: 2 of 2 cases agree; worst gradient 1.0e-12, w of a." in str(render(rows, "text"))
    assert "Reference interpreter: 1 of 1 agree with both pipelines; 1 would take too long." in str(
        render(rows, "text")
    )
    rows += [
        OracleRow("c", "f64", BAD, "", 1.0),
        OracleRow("d", "f32", None, "killed by SIGSEGV: it said nothing", 1.0),
    ]
    assert exit_code(rows) == 1
    assert exit_code([]) == 3
    for form, bullet in (("text", ""), ("markdown", "- ")):
        lines = str(render(rows, form)).splitlines()
        assert f"{bullet}c f64: it differs." in lines
        assert f"{bullet}d f32: killed by SIGSEGV: it said nothing." in lines
        assert f"{bullet}f64: 2 of 3 cases agree; worst gradient nan, w of c." in lines
    document = json.loads(render(rows, "json"))
    assert (document["oracle_version"], document["exit_code"]) == (1, 1)
    assert document["rows"][2]["finding"]["gradient"] == {"value": "NaN", "tensor": "w"}
    assert [row["verdict"] for row in document["rows"]] == ["AGREE", "AGREE", "DISAGREE", "BROKEN"]


def test_a_deep_network_in_f32_is_shown_and_f64_judges() -> None:
    finding = OracleFinding(10, Largest(0.2, "w"), (0.0, 0.1, 0.1), Largest(1.0, "w"), None, (), shown_only=True)
    shown, judged = (
        OracleRow("net", "f32", finding, "", 1.0),
        OracleRow("net", "f64", msgspec.structs.replace(finding, shown_only=False), "", 1.0),
    )
    assert (shown.verdict, judged.verdict) == ("SHOWN", "AGREE")
    assert exit_code([shown]) == 3
    assert exit_code([shown, judged]) == 0
    assert exit_code([shown, judged, OracleRow("c", "f64", BAD, "", 1.0)]) == 1
    assert "f32: 0 of 0 cases agree; 1 shown and not judged" in str(render([shown, judged], "text"))


WORKER = """
import json, os, sys, time
case = json.loads(sys.argv[1])["case"]
if case == "hangs": time.sleep(60)
if case == "dies": os.kill(os.getpid(), 11)
if case == "fails": sys.exit("first line\\nno such layer")
if case == "forgets": sys.exit(0)
if case == "mumbles": sys.exit(print("answer: {}"))
print("answer: " + json.dumps({finding}))
"""


def tasks(*names: str) -> list[OracleTask]:
    return [OracleTask(name, "f64", "data", None, None, True) for name in names]


def test_whatever_becomes_of_a_process_is_a_row() -> None:
    finding = '{"params": 3, "gradient": {"value": float("nan"), "tensor": "w"}, "losses": [0, 0, 0], '
    finding += '"optimizer": {"value": 1, "tensor": "w"}, "third": None, "complaints": ["no"]}'
    command = (sys.executable, "-c", WORKER.replace("{finding}", finding))
    told: list[tuple[int, list[str]]] = []
    names = ("hangs", "dies", "fails", "forgets", "mumbles", "works")
    rows = run_tasks(tasks(*names), 2, 3.0, lambda done, running: told.append((done, list(running))), command)
    assert [row.case for row in rows] == list(names)
    assert [row.verdict for row in rows] == ["BROKEN"] * 5 + ["DISAGREE"]
    assert [row.trouble for row in rows] == [
        "no end after 3 s",
        "killed by SIGSEGV: it said nothing",
        "exit code 1: no such layer",
        "exit code 0: it said nothing",
        "its answer cannot be read",
        "",
    ]
    assert rows[-1].finding is not None
    assert np.isnan(rows[-1].finding.gradient.value)
    assert max(len(running) for _, running in told) == 2
    assert told[-1] == (6, [])


def harness(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "harness", "oracle", *map(str, arguments)]


def test_a_slice_of_the_oracle_is_green(mnist: Path) -> None:
    done = subprocess.run(harness("attention", "--format", "json"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["case"], row["dtype"], row["verdict"]) for row in rows] == [
        ("attention", dtype, "AGREE") for dtype in ("f32", "f64")
    ]
    for row in rows:
        third = row["finding"]["third"]
        assert (third is None) == (row["dtype"] == "f32")
        assert third is None or max(third["against_phase2"]["value"], third["against_phase3"]["value"]) < 1e-9


def test_usage_errors_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for arguments, said in (
        (["nothing"], "harness: unknown case 'nothing'"),
        (["dense", "--data", tmp_path / "none"], "none: no such folder"),
    ):
        done = subprocess.run(harness(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_an_interruption_ends_the_processes(mnist: Path) -> None:
    running = start(harness("uib", "--jobs", 2), stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    deadline = time.monotonic() + 60
    while not (found := [int(pid) for pid in children.read_text().split()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.startswith("harness: interrupted")
    assert all(dies(pid) for pid in found)
