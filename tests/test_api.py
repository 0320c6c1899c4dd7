"""The verdict as Python code and notebooks have it."""

import inspect
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import harness
import harness.api
from harness import cli
from harness.errors import HarnessError
from harness.nn.layers.dense import Dense
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.as_code import write_network
from harness.spec.models import load_model
from harness.spec.netspec import NetSpec, TrainConfig
from tests.support.paths import ROOT
from tests.support.sample_traces import write

LOSSES = [2.0 / k for k in range(1, 41)]


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A trace, one within rounding of it, and one that goes wrong at step 2."""
    off = [loss * (1 + 1e-6) for loss in LOSSES], [loss * (1.0 if k == 0 else 1.5) for k, loss in enumerate(LOSSES)]
    return tuple(write(tmp_path / f"{name}.jsonl", losses) for name, losses in zip("abc", (LOSSES, *off), strict=True))  # type: ignore[return-value]


def test_two_traces_that_agree_are_true(three: tuple[Path, Path, Path]) -> None:
    found = harness.diff(*three[:2])
    assert found
    assert found.passed
    assert (found.verdict.status, found.verdict.exit_code) == ("PASS", 0)
    assert [row["loss"] for row in found.table][:2] == ["step 1", "step 2"]
    assert found.table[0]["|A - B|"] == "2.00e-06"
    assert repr(found) == "<a vs b: PASS on 8 of 40 steps>"


def test_two_that_do_not_say_why(three: tuple[Path, Path, Path]) -> None:
    found = harness.diff(three[0], str(three[2]), mode="strict")
    assert not found
    (gate,) = (line for line in found.gates if line.gate == "backward and optimizer")
    assert (gate.outcome, gate.place) == ("fail", "step 2")
    assert "FAIL (backward): backward and optimizer: the losses of step 2" in str(found)


def test_the_options_are_those_of_the_command(three: tuple[Path, Path, Path]) -> None:
    a, b, c = three
    assert harness.diff(a, c, steps=1).verdict.status == "PASS"
    assert harness.diff(a, b, require_coverage=1.0).verdict.status == "INCONCLUSIVE"
    with pytest.raises(HarnessError, match="unknown mode 'loose'"):
        harness.diff(a, c, "loose")
    with pytest.raises(HarnessError, match=r"none.jsonl:1: cannot be read"):
        harness.diff(a, "none.jsonl")


def test_the_numbers_are_a_frame(three: tuple[Path, Path, Path]) -> None:
    frame = harness.diff(three[0], three[2]).frame()
    assert list(frame.columns) == ["loss_a", "loss_b", "delta", "lr_a", "lr_b"]
    assert frame.index.tolist() == list(range(1, 41))
    assert frame["delta"].to_numpy() == pytest.approx(np.abs(frame["loss_a"] - frame["loss_b"]))


def test_a_comparison_is_pickled_with_all_that_it_knows(three: tuple[Path, Path, Path]) -> None:
    found = harness.diff(three[0], three[2])
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == str(found)
    assert again._repr_html_() == found._repr_html_()


def test_a_notebook_shows_verdict_picture_and_gates_without_a_script(three: tuple[Path, Path, Path]) -> None:
    html = harness.diff(three[0], three[2])._repr_html_()
    assert len(html) < 60_000
    assert "<script" not in html
    assert "http" not in html
    assert html.count("<polyline") == 3
    assert re.search(r"FAIL</strong> a vs c", html)
    assert "the losses of step 2 are" in html


def test_the_plot_has_both_losses_and_their_difference(three: tuple[Path, Path, Path]) -> None:
    figure = harness.diff(*three[:2]).plot()
    assert [trace.name for trace in figure.data] == ["A: a", "B: b", "|A − B|"]
    assert list(figure.data[0].y) == pytest.approx(LOSSES)
    assert figure.layout.yaxis2.type == "log"


def test_the_page_of_one_pair_is_written(three: tuple[Path, Path, Path], tmp_path: Path) -> None:
    harness.diff(three[0], three[2]).write_html(tmp_path / "pair.html")
    command = [sys.executable, "-m", "harness.diff", three[0], three[2], "--html", tmp_path / "same.html"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 1
    for name in ("pair.html", "same.html"):
        page = (tmp_path / name).read_text()
        assert "a vs c</title>" in page
        assert 'id="cells"' not in page


def test_the_module_is_the_function_however_it_is_imported(three: tuple[Path, Path, Path]) -> None:
    code = "import sys, harness\nfirst = harness.diff(*sys.argv[1:])\nimport harness.diff\n"
    code += "print(first.verdict.status, harness.diff(*sys.argv[1:]).verdict.status, harness.diff.main.name)"
    command = [sys.executable, "-c", code, *map(str, three[:2])]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout == "PASS PASS diff\n"


def small() -> tuple[NetSpec, TrainConfig]:
    spec = NetSpec(
        name="Small 1",
        dataset="mnist",
        input_shape=(784,),
        classes=10,
        layers=[Dense(784, 10)],
        loss=SoftmaxCrossEntropy(),
    )
    return spec, TrainConfig(lr=0.01, batch_size=16, epochs=1, optimizer=Adam())


def test_a_network_made_in_python_is_verified(tmp_path: Path) -> None:
    off = {"f64_check": False, "stress": False, "wide": False, "lockstep": False}
    found = harness.verify(*small(), steps=3, data="synthetic", out=tmp_path, backends=["cpu"], **off)
    assert found.passed, str(found)
    (pair,) = found.comparisons
    assert pair.verdict.status == "PASS"
    assert (tmp_path / "small_1.py").is_file()
    assert all(path.is_file() for path in found.reports)
    assert "1 of 1 pairs agree" in repr(found)
    assert "<polyline" in found._repr_html_()


def test_its_file_makes_an_equal_network(tmp_path: Path) -> None:
    for name in ("mnist_cnn", "vit_tiny", "mobilenet_v4"):
        model = load_model(name)
        again = load_model(str(write_network(model.spec, model.config, tmp_path / name)))
        assert (again.spec, again.config) == (model.spec, model.config)


def test_what_cannot_be_verified_is_one_line(tmp_path: Path) -> None:
    spec, config = small()
    for told, call in {
        "needs its TrainConfig": lambda: harness.verify(spec, out=tmp_path),
        "verify has no option lockstop": lambda: harness.verify(spec, config, out=tmp_path, lockstop=False),
        "unknown backend 'gpu'": lambda: harness.verify(spec, config, out=tmp_path, backends=["gpu"]),
        "unknown model 'mnist_mpl'": lambda: harness.verify("mnist_mpl", out=tmp_path),
    }.items():
        with pytest.raises(HarnessError, match=told) as error:
            call()
        assert "\n" not in str(error.value)


def test_a_comparison_is_equal_to_itself_alone(three: tuple[Path, Path, Path]) -> None:
    found = harness.diff(*three[:2])
    assert found == found
    assert found != harness.diff(*three[:2])
    assert len({found, found}) == 1


def test_a_page_never_takes_the_place_of_a_trace(three: tuple[Path, Path, Path]) -> None:
    a, b, _ = three
    before = b.read_bytes()
    with pytest.raises(HarnessError, match=r"b.jsonl: one of the traces; the page would replace it"):
        harness.diff(a, b).write_html(b)
    found = CliRunner().invoke(cli.main, ["diff", str(a), str(b), "--html", str(b)])
    assert found.exit_code == 2
    assert "one of the traces" in found.output
    assert b.read_bytes() == before


def test_losses_as_far_apart_as_numbers_can_be_are_drawn(tmp_path: Path) -> None:
    far = [1.7e308, -1.7e308, 1e308]
    html = harness.diff(write(tmp_path / "a.jsonl", far), write(tmp_path / "b.jsonl", far))._repr_html_()
    points = re.findall(r'points="([^"]*)"', html)
    assert points
    assert "nan" not in " ".join(points)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window": "3"}, "window is '3'; expected a whole number of at least 1."),
        ({"steps": 2.5}, "steps is 2.5; expected a whole number of at least 1."),
        ({"require_coverage": 95}, "the coverage that is required is 95; expected a share from 0 to 1."),
        ({"require_coverage": float("nan")}, "the coverage that is required is nan;"),
        ({"mode": None}, "unknown mode 'None'"),
    ],
)
def test_a_senseless_option_of_diff_is_one_line(
    three: tuple[Path, Path, Path], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(HarnessError) as error:
        harness.diff(*three[:2], **options)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number of at least 1."),
        ({"segment": 0}, "segment is 0, expected a whole number of at least 1."),
        ({"lockstep": "yes"}, "lockstep is 'yes', expected True or False."),
        ({"dtype": "f16"}, "dtype is 'f16', expected f32 or f64 or wide."),
        ({"backends": "cpu"}, "backends is 'cpu', expected a list: ['cpu']."),
        ({"require_coverage": 95}, "expected a share from 0 to 1."),
        ({"out": "/proc/none"}, "/proc/none"),
    ],
)
def test_a_senseless_option_of_verify_is_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(HarnessError) as error:
        harness.verify("mnist_mlp", **({"steps": 1, "data": "synthetic"} | options))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_public_is_completed_and_has_a_signature() -> None:
    assert {"TraceWriter", "RunRequest", "diff", "read_trace", "verify"} <= set(dir(harness))
    ours = inspect.signature(harness.diff).parameters
    assert [(p.name, p.default) for p in ours.values()] == [
        (p.name, p.default) for p in inspect.signature(harness.api.diff).parameters.values()
    ]
    assert (ROOT / "harness/py.typed").exists(), "type checkers look at a package only where this file is"


def test_the_page_is_written_when_the_verdict_is_told(three: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.main, ["diff", *map(str, three[:2]), "--html", str(tmp_path / "none/a.html")])
    assert found.exit_code == 2
    assert "PASS on 8 of 40 steps" in found.stdout
    assert found.stderr == f"harness: {tmp_path / 'none/a.html'}: No such file or directory.\n"


def test_what_is_not_installed_is_told_and_errors_have_a_name() -> None:
    code = """import sys, harness
sys.modules["iree"] = None
try:
    harness.verify("mnist_mlp", steps=1, data="synthetic")
except harness.errors.HarnessError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("the package iree"), found.stdout
