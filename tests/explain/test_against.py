"""`harness explain CASE --against FILE`, on a case of the oracle and synthetic data."""

import json
import os
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.dataset import resolve_data
from harness.explain.conventions.against import explain_against
from harness.nn.cases import find_case
from harness.run.inprocess import Phase3, first_batches, recorded
from harness.spec.netspec import Conventions

pytestmark = pytest.mark.xdist_group("against")  # they search one table of programs, which the first one compiles


@pytest.fixture(scope="module")
def uncorrected(tmp_path_factory) -> Path:
    """A trace of the case `dense`, of phase 3 without bias correction, twelve steps; its header says none of that."""
    case = find_case("dense")
    graph, spec = case.graph(), case.spec
    choice = resolve_data("synthetic", spec.dataset, spec.input_shape)
    first = first_batches(graph, case.config, choice.folder, 12)
    side = Phase3(graph, case.config, "f32", Conventions(adam_bias_correction="off"))
    rates = side.rates(12, first.steps_per_epoch)
    steps = side.train(first.batches, rates)
    trace = recorded(side, steps, first.batches, rates, steps_per_epoch=first.steps_per_epoch).trace
    header = type(trace.header)(**{**_fields(trace.header), "dataset": choice.name, "conventions": None})
    path = tmp_path_factory.mktemp("uncorrected") / "b.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (header, *trace.lines.values())))
    return path


def _fields(header) -> dict:
    return {name: getattr(header, name) for name in header.__struct_fields__}


def explain(*arguments: object):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_a_file_is_explained(uncorrected: Path) -> None:
    done = explain("dense", "--against", uncorrected, "--data", "synthetic", "--format", "json")
    assert done.exit_code == 1, done.output
    document = json.loads(done.stdout)
    assert document["closing"][0]["switches"] == {"adam_bias_correction": "off"}
    assert document["stated"] is None
    tried = [t["switches"] for t in document["tried"]]
    assert {} in tried
    assert {"weight_decay": "coupled"} not in tried  # this case has no weight decay
    shown = explain("dense", "--against", uncorrected, "--data", "synthetic", "--steps", 3).output
    assert "its header states no conventions" in shown
    assert "phase 2 with no bias correction in Adam reproduces B " in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dense-relu", "--data", "synthetic"), "netspec_name is 'dense', for dense-relu it is 'dense-relu'"),
        (("dense", "--data", "synthetic", "--batch", 8), "config.batch_size is 4, for dense it is 8"),
        (("dense", "--data", "synthetic", "--dtype", "f64"), "--against and --dtype exclude each other"),
    ],
)
def test_another_run_is_refused_in_one_line(arguments, said: str, uncorrected: Path) -> None:
    done = explain(*arguments, "--against", uncorrected)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_batch_of_other_images_is_refused(uncorrected: Path, tmp_path: Path) -> None:
    text = uncorrected.read_text()
    other = tmp_path / "other.jsonl"
    digest = json.loads(text.splitlines()[2])["batch_sha256"]
    other.write_text(text.replace(digest, "0" * 64))
    done = explain("dense", "--against", other, "--data", "synthetic")
    assert done.exit_code == 2
    assert "batch_sha256 of step 2 is '000" in done.output


def test_several_files_are_explained_in_one_search(uncorrected: Path) -> None:
    twice = ("--against", uncorrected, "--against", uncorrected)
    done = explain("dense", *twice, "--data", "synthetic", "--format", "json")
    assert done.exit_code == 1, done.output
    first, second = json.loads(done.stdout)
    assert first == second
    assert first["closing"][0]["switches"] == {"adam_bias_correction": "off"}


def test_a_trace_without_steps_is_refused(uncorrected: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(uncorrected.read_text().splitlines()[0] + "\n")
    done = explain("dense", "--against", empty, "--data", "synthetic")
    assert (done.exit_code, "the trace has no steps" in done.output) == (2, True)


@pytest.mark.parametrize("name", ["rocm", "cuda"])
def test_the_published_traces_ran_the_defaults(name: str) -> None:
    folder = os.environ.get("HARNESS_REFERENCE_TRACES")
    if not folder:
        pytest.skip("HARNESS_REFERENCE_TRACES does not name the folder of the two published traces")
    found = explain_against("mnist_mlp", Path(folder) / f"mnist_mlp.phase3-noshuf-{name}.jsonl", steps=30).result
    assert (found.default, found.exit_code) == (True, 0)
    assert "the default conventions reproduces B to its print resolution, 1e-06, over the first" in found.sentence()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"loss": lambda step, loss: loss * (1 if step["step"] < 10 else 1.5)},
            "At step 10 B diverges from it suddenly",
        ),
        ({"loss": lambda step, loss: loss if step["step"] < 10 else "NaN"}, "B is not finite from step 10 on."),
        ({"lr": lambda step, rate: 1.2 * rate}, "Its learning rate at step 1 is 0.0012"),
        ({"epoch": lambda step, epoch: epoch + (step["step"] > 2)}, "Step 3 is in its epoch 1 and not in 0."),
    ],
    ids=["loss", "NaN", "rate", "epoch"],
)
def test_what_conventions_do_not_explain_is_said(changes, said: str, uncorrected: Path, tmp_path: Path) -> None:
    head, *steps = map(json.loads, uncorrected.read_text().splitlines())
    for step in steps:
        step |= {key: change(step, step[key]) for key, change in changes.items()}
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in (head, *steps)))
    done = explain("dense", "--against", other, "--data", "synthetic")
    assert done.exit_code == 1
    assert said in done.output


def test_norms_of_other_parameters_are_refused(uncorrected: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    head, _, steps = uncorrected.read_text().partition("\n")
    other.write_text(head + "\n" + steps.replace('"dense1.w"', '"dense9.w"'))
    done = explain("dense", "--against", other, "--data", "synthetic")
    assert (done.exit_code, "step 1 has norms of dense9.w, which dense has not" in done.output) == (2, True)
