import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness
from harness.errors import PackageError, TraceError
from harness.system.extras import extra
from harness.trace.format import TraceFile
from harness.trace.manifest import Manifest, write_manifest
from tests.support.paths import ROOT
from tests.support.sample_traces import CONFIG, header, lines, text


@pytest.fixture
def trace(tmp_path) -> Path:
    with TraceFile(tmp_path / "a.jsonl", header(pipeline="phase2")) as writer:
        norms = {"conv1.w": 1.5, "conv1.b": math.inf}
        writer.write_step(1, 0, 2.5, 0.1, grad_norm=2.0, grad_norms=norms, batch_sha256="ab", wall_ms=4.0)
        writer.write_step(2, 0, math.nan, 0.1, wall_ms=3.0)
        writer.write_step(3, 1, -math.inf, 0.05, update_norms={"conv1.w": 0.25}, stat_norms={"bn1.mean": 0.5})
    return tmp_path / "a.jsonl"


def test_one_line_makes_a_frame(trace):
    frame = harness.read_trace(trace)
    assert list(frame.columns) == [
        "epoch",
        "loss",
        "lr",
        "grad_norm",
        "wall_ms",
        "grad_norms.conv1.w",
        "grad_norms.conv1.b",
        "update_norms.conv1.w",
        "stat_norms.bn1.mean",
        "batch_sha256",
    ]
    assert frame.index.name == "step"
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["epoch"].tolist() == [0, 0, 1]
    np.testing.assert_array_equal(frame["loss"], [2.5, np.nan, -np.inf])
    np.testing.assert_array_equal(frame["grad_norms.conv1.b"], [np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(frame["update_norms.conv1.w"], [np.nan, np.nan, 0.25])
    np.testing.assert_array_equal(frame["stat_norms.bn1.mean"], [np.nan, np.nan, 0.5])
    assert frame.loc[1, "batch_sha256"] == "ab"
    assert frame["batch_sha256"].isna().tolist() == [False, True, True]
    assert frame.loc[2, "wall_ms"] == 3.0


def test_header_and_manifest_are_plain_dicts(trace):
    attrs = harness.read_trace(str(trace)).attrs
    assert set(attrs) == {"header"}
    assert attrs["header"]["config"] == CONFIG
    assert attrs["header"]["pipeline"] == "phase2"
    assert "backend" not in attrs["header"]
    write_manifest(trace.with_name("a.manifest.json"), Manifest(status="complete", steps_written=3, test_accuracy=0.5))
    assert harness.read_trace(trace).attrs["manifest"]["test_accuracy"] == 0.5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(), st.none() | st.floats(), st.none() | st.floats()), max_size=12))
def test_a_frame_holds_every_number_of_the_file(tmp_path, steps):
    path = tmp_path / "drawn.jsonl"
    with TraceFile(path, header()) as writer:
        for k, (loss, whole, part) in enumerate(steps):
            writer.write_step(k + 1, 0, loss, 0.1, param_norm=whole, param_norms=None if part is None else {"w": part})
    frame = harness.read_trace(path)
    np.testing.assert_array_equal(frame["loss"], np.array([loss for loss, _, _ in steps], float))
    for name, k in (("param_norm", 1), ("param_norms.w", 2)):
        assert (name in frame) == any(step[k] is not None for step in steps)
        if name in frame:
            np.testing.assert_array_equal(frame[name], [math.nan if step[k] is None else step[k] for step in steps])


def test_later_steps_keep_their_channels(tmp_path):
    with TraceFile(tmp_path / "long.jsonl", header()) as writer:
        for k in range(300):
            writer.write_step(k + 1, 0, 1.0, 0.1, grad_norm=float(k))
    assert harness.read_trace(tmp_path / "long.jsonl")["grad_norm"].tolist() == list(range(300))


def test_a_killed_run_is_read_when_that_is_fine(tmp_path):
    cut = tmp_path / "a.partial.jsonl"
    cut.write_bytes(text(lines(4))[:-9])
    with pytest.raises(TraceError, match="the file is truncated"):
        harness.read_trace(cut)
    assert harness.read_trace(cut, allow_truncated=True)["loss"].tolist() == [2.0, 1.0, 2 / 3]


def test_a_trace_without_steps_is_an_empty_frame(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(text(lines(0)))
    frame = harness.read_trace(tmp_path / "a.jsonl")
    assert (len(frame), list(frame.columns)) == (0, ["epoch", "loss", "lr"])


def test_the_package_is_light_and_says_what_it_lacks(trace):
    program = (
        "import sys, harness\n"
        "heavy = {'numpy', 'msgspec', 'pandas', 'click', 'jax'} & set(sys.modules)\n"
        "sys.modules['pandas'] = None\n"
        "try: harness.read_trace(sys.argv[1])\n"
        "except harness.errors.HarnessError as error: print(heavy, error)\n"
    )
    command = [sys.executable, "-c", program, str(trace)]
    found = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert found.stdout == (
        "set() the package pandas is not installed. Run `pip install 'training-trace-harness[pandas]'`.\n"
    )


def test_an_extra_is_named_with_the_package_that_is_missing():
    with pytest.raises(PackageError, match=r"pyarrow.none is not installed.*harness\[history\]'"), extra():
        import pyarrow.none  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), extra():
        import no_such_package  # noqa: F401
