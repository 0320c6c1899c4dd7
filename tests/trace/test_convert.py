"""Converted traces, read by the other tools' own readers."""

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from mlperf_logging.compliance_checker.mlp_parser import parse_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from harness.cli import main
from harness.trace.format import TraceFile
from harness.trace.manifest import Manifest, write_manifest
from tests.support.paths import ROOT
from tests.support.sample_traces import header, lines, text, write

LOSSES = [2.5, math.nan, math.inf, 0.1]


@pytest.fixture
def odd_trace(tmp_path) -> Path:
    path = tmp_path / "a.jsonl"
    with TraceFile(path, header(pipeline="phase2", netspec_name="<b>|naïve|</b>")) as writer:
        for k, loss in enumerate(LOSSES):
            norms = {"conv1.w": 1.5 * k, "conv1.b": -math.inf} if k < 2 else None
            whole = 2.0 * k if k < 3 else None
            channels = {"grad_norm": whole, "grad_norms": norms, "grad_projections": norms and {"conv1.w": -0.5}}
            writer.write_step(k + 1, k // 2, loss, 0.1 / (k + 1), **channels, wall_ms=250.0)
    write_manifest(tmp_path / "a.manifest.json", Manifest(status="complete", steps_written=4, test_accuracy=0.75))
    return path


def convert(form: str, out: Path, *traces: Path) -> Result:
    arguments = ["convert", *map(str, traces), "--to", form, "-o", str(out)]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def events(run: Path) -> EventAccumulator:
    found = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def test_tensorboard_reads_every_channel(tmp_path, odd_trace):
    done = convert("tensorboard", tmp_path / "out", odd_trace)
    assert (done.exit_code, done.output) == (0, f"{tmp_path}/out/a/events.out.tfevents.trace\n")
    found = events(tmp_path / "out" / "a")
    assert set(found.Tags()["scalars"]) == {
        "loss",
        "lr",
        "epoch",
        "grad_norm",
        "wall_ms",
        "grad_norms/conv1.w",
        "grad_norms/conv1.b",
        "grad_projections/conv1.w",
        "test_accuracy",
    }
    loss = found.Scalars("loss")
    assert [event.step for event in loss] == [1, 2, 3, 4]
    np.testing.assert_array_equal([event.value for event in loss], np.array(LOSSES, np.float32))
    assert [event.wall_time for event in loss] == [0.25, 0.5, 0.75, 1.0]
    assert [(event.step, event.value) for event in found.Scalars("grad_norm")] == [(1, 0), (2, 2), (3, 4)]
    assert [event.value for event in found.Scalars("grad_norms/conv1.b")] == [-math.inf] * 2
    assert [event.value for event in found.Scalars("grad_projections/conv1.w")] == [-0.5] * 2
    assert [event.value for event in found.Scalars("epoch")] == [0, 0, 1, 1]
    assert [(event.step, event.value) for event in found.Scalars("test_accuracy")] == [(4, 0.75)]
    (shown,) = found.Tensors("header/text_summary")
    assert '"netspec_name": "<b>|naïve|</b>"' in shown.tensor_proto.string_val[0].decode()
    assert all(line.startswith("    ") for line in shown.tensor_proto.string_val[0].decode().splitlines())


def test_the_parser_of_mlperf_reads_a_run(tmp_path, odd_trace):
    done = convert("mllog", tmp_path / "out", odd_trace)
    assert (done.exit_code, done.output) == (0, f"{tmp_path}/out/a.log\n")
    found, failed = parse_file(str(tmp_path / "out" / "a.log"), ruleset="5.1.0")
    assert failed == []
    by_key = {key: [line.value for line in found if line.key == key] for key in {line.key for line in found}}
    values = {key: [line["value"] for line in lines] for key, lines in by_key.items()}
    assert values["train_loss"] == [2.5, "NaN", "Infinity", 0.1]
    assert values["global_batch_size"] == [128]
    assert values["opt_name"] == ["adam"]
    assert values["eval_accuracy"] == [0.75]
    assert [line["metadata"]["step_num"] for line in by_key["train_loss"]] == [1, 2, 3, 4]
    assert by_key["train_loss"][1]["metadata"]["grad_norms"] == {"conv1.w": 1.5, "conv1.b": "-Infinity"}
    assert by_key["train_loss"][1]["metadata"]["grad_projections"] == {"conv1.w": -0.5}
    (start,), (stop,) = by_key["run_start"], by_key["run_stop"]
    assert start["metadata"]["header"]["netspec_name"] == "<b>|naïve|</b>"
    assert stop["metadata"]["status"] == "success"
    keys = [(line.key, line.value["metadata"].get("epoch_num")) for line in found if line.key.startswith("epoch_")]
    assert keys == [("epoch_start", 0), ("epoch_stop", 0), ("epoch_start", 1), ("epoch_stop", 1)]
    assert [line.timestamp for line in found if line.key == "train_loss"] == [250, 500, 750, 1000]
    assert [line.timestamp for line in found] == sorted(line.timestamp for line in found)


def test_a_log_is_json_without_this_machine_in_it(tmp_path, odd_trace):
    convert("mllog", tmp_path / "out", odd_trace)
    written = (tmp_path / "out" / "a.log").read_text()
    assert str(ROOT) not in written
    for line in written.splitlines():
        json.loads(line.removeprefix(":::MLLOG "), parse_constant=pytest.fail)


@pytest.mark.parametrize("form", ["tensorboard", "mllog"])
def test_a_trace_gives_the_same_bytes_again(tmp_path, odd_trace, form):
    def written() -> dict[str, bytes]:
        assert convert(form, tmp_path / "out", odd_trace).exit_code == 0
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        return {path.name: path.read_bytes() for path in files}

    assert written() == written()
    assert len(written()) == 1


def test_the_status_is_the_manifests(tmp_path):
    path = write(tmp_path / "b.jsonl", [1.0])
    convert("mllog", tmp_path / "out", path)
    (stop,) = [line for line in parse_file(str(tmp_path / "out/b.log"), ruleset="5.1.0")[0] if line.key == "run_stop"]
    assert "status" not in stop.value["metadata"]
    write_manifest(tmp_path / "b.manifest.json", Manifest(status="crashed", steps_written=1))
    convert("mllog", tmp_path / "out", path)
    (stop,) = [line for line in parse_file(str(tmp_path / "out/b.log"), ruleset="5.1.0")[0] if line.key == "run_stop"]
    assert stop.value["metadata"]["status"] == "aborted"


def test_killed_compressed_and_empty_traces(tmp_path):
    cut, packed, empty = tmp_path / "a.partial.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl"
    cut.write_bytes(text(lines(4))[:-9])
    packed.write_bytes(gzip.compress(text(lines(4))))
    empty.write_bytes(text(lines(0)))
    for form in ("tensorboard", "mllog"):
        done = convert(form, tmp_path / "out", cut, packed, empty)
        assert done.exit_code == 0
        assert done.stderr == f"harness: {cut}: the last line has no end and is left out.\n"
    assert len(events(tmp_path / "out" / "a.partial").Scalars("loss")) == 3
    assert len(events(tmp_path / "out" / "b").Scalars("loss")) == 4
    assert events(tmp_path / "out" / "c").Tags()["scalars"] == []
    assert parse_file(str(tmp_path / "out" / "c.log"), ruleset="5.1.0")[0][-1].key == "run_stop"


def test_one_unreadable_trace_does_not_keep_the_others(tmp_path, odd_trace):
    (tmp_path / "bad.jsonl").write_text("nonsense\n")
    done = convert("mllog", tmp_path / "out", tmp_path / "bad.jsonl", odd_trace)
    assert done.exit_code == 2
    assert done.stdout == f"{tmp_path}/out/a.log\n"
    assert done.stderr.startswith(f"harness: {tmp_path}/bad.jsonl:1: not JSON: ")
    assert done.stderr.count("\n") == 1


def test_names_that_would_meet_or_lead_elsewhere_are_refused(tmp_path, odd_trace):
    (tmp_path / "other").mkdir()
    namesake = write(tmp_path / "other" / "a.jsonl", [1.0])
    odd = write(tmp_path / "other" / "...jsonl", [1.0])
    for traces, said in (((odd_trace, namesake), "two of the files are called a."), ((odd,), "cannot be converted")):
        done = convert("tensorboard", tmp_path / "out", *traces)
        assert done.exit_code == 2
        assert said in done.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("form", "package"), [("tensorboard", "tensorboardX"), ("mllog", "mlperf_logging")])
def test_a_missing_package_is_one_line_with_the_command_that_mends_it(tmp_path, odd_trace, form, package):
    program = f"import sys; sys.modules['{package}'] = None; from harness.cli import main; main()"
    command = [sys.executable, "-c", program, "convert", str(odd_trace), "--to", form, "-o", str(tmp_path / "out")]
    found = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"harness: the package {package}")
    assert found.stderr.endswith(f" is not installed. Run `pip install 'training-trace-harness[{form}]'`.\n")
    assert found.stderr.count("\n") == 1
