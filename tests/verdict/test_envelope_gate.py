"""The gate of an envelope where there is none, where it knows less than the headers, and elsewhere than on a CPU."""

import subprocess
import sys
from typing import Any

import pytest

from harness.commands.envelope import envelope_command
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.recording import Recording
from harness.verdict.compare import Judging, compare
from harness.verdict.envelope.envelope import FORMAT, Envelope
from harness.verdict.envelope_gate import allowed_by, check_envelope
from harness.verdict.evidence import ALONE, Answer, PairFacts
from harness.verdict.rounding.bounds import fitted_bounds
from tests.support.paths import ROOT
from tests.support.sample_traces import CONFIG, recording

START = {"init_sha256": "c" * 64}
ENVELOPE = Envelope(
    format=FORMAT,
    netspec_name="SOME-MLP",
    netspec_hash="a" * 64,
    config=CONFIG,
    total_params=669706,
    dataset="mnist",
    data_sha256="b" * 64,
    shuffle=False,
    init_seed=None,
    init_sha256="c" * 64,
    dtype="f32",
    members=38,
    channels=["loss"],
    reached=[[1e-5]] * 8,
    growth=None,
    horizon=None,
    observed=False,
    ceiling=0.1,
    training_steps=1,
    seconds=1.0,
    plain_seconds=1.0,
    built_with={},
)
LOSSES = [2.0] * 8


def side(factor: float = 1.0, **keys: Any) -> Recording:
    return recording([loss * factor for loss in LOSSES], **(START | {"backend": "cpu"} | keys))


def gate(a: Recording, b: Recording, envelope: Envelope | None = ENVELOPE) -> Answer:
    found = check_envelope(PairFacts(compare(a, b), ALONE, envelope))
    assert found is not None
    return found


def of_cell(**facts: Any) -> Manifest:
    return Manifest(status="complete", steps_written=8, cell=CellFacts(pipeline="phase2", backend="cpu", **facts))


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (
            {"manifest": of_cell(model="mnist_mlp", init_seed=43, batch_size=64)},
            "harness envelope mnist_mlp --seed 43 --batch 64",
        ),
        (
            {"manifest": of_cell(model="mobilenet_v1", image_size=32), "dataset": "imagenette-synthetic"},
            "harness envelope mobilenet_v1 --seed 42 --image-size 32 --data synthetic",
        ),
        ({"netspec_name": "MNIST-CNN"}, "harness envelope mnist_cnn --batch 128 --init FILE"),
        (
            {"netspec_name": "ResNet-34", "config_batch_size": 32, "manifest": of_cell(model="somebody's")},
            "harness envelope resnet34 --batch 32 --init FILE",
        ),
        (
            {"manifest": of_cell(model="mine", network_file="../my nets/mine.py")},
            "harness envelope '../my nets/mine.py' --seed 42",
        ),
        ({}, "harness envelope NAME.py"),
    ],
    ids=["cell", "size and data", "header", "cell of another harness", "file of its own", "unknown network"],
)
def test_without_an_envelope_the_exact_command_is_offered(keys: dict[str, Any], command: str) -> None:
    one, other = side(**keys), side(**keys | {"manifest": None})
    for pair in ((one, one), (one, other), (other, one)):
        found = gate(*pair, envelope=None)
        assert (found.outcome, f"`{command}`" in found.line) == ("unreached", True)
    options = {option for parameter in envelope_command.params for option in parameter.opts}
    assert {word for word in command.split() if word.startswith("--")} <= options


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"init_sha256": None}, "not both headers state theirs (init_sha256)"),
        ({"dtype": "f64"}, "envelopes are of runs in f32"),
        ({"shuffle": True}, "this one is shuffled"),
    ],
    ids=["no start", "f64", "shuffled"],
)
def test_where_no_envelope_can_be_none_is_offered(keys: dict[str, Any], reason: str) -> None:
    found = gate(side(**keys), side(**keys), envelope=None)
    assert (found.outcome, reason in found.line, "harness envelope" in found.line) == ("unreached", True, False)


def test_config_keys_that_the_envelope_does_not_know_are_named() -> None:
    plain, other = side(), side(config_nesterov=True, config_amsgrad=False)
    for pair in ((other, other), (plain, other), (other, plain)):
        found = gate(*pair)
        assert found.outcome == "pass"
        assert found.line.endswith("; config keys that the envelope does not know: amsgrad, nesterov.")
    assert "does not know" not in gate(plain, plain).line


@pytest.mark.parametrize("backend", ["cuda", "rocm", None])
def test_elsewhere_than_on_a_cpu_more_is_allowed_and_beyond_it_is_a_failure(backend: str | None) -> None:
    times = fitted_bounds().device
    allowed = allowed_by(ENVELOPE, compare(side(), side()), 8)[2].max()
    assert allowed_by(ENVELOPE, compare(side(), side(backend=backend)), 8)[2].max() == times * allowed
    within, beyond = 1 + 0.9 * times * allowed, 1 + 1.1 * times * allowed
    assert gate(side(), side(within)).outcome == "fail"
    found = gate(side(), side(within, backend=backend))
    assert found.outcome == "pass"
    assert f", times {times:g} for devices that are no CPU)" in found.line
    assert gate(side(), side(beyond, backend=backend)).outcome == "fail"


@pytest.mark.parametrize(("horizon", "judged"), [(None, 8), (3, 8), (8, 8), (12, 12)])
def test_an_envelope_never_narrows_the_window(horizon: int | None, judged: int) -> None:
    assert Judging(horizon=horizon).judged(100) == judged
    assert Judging(horizon=horizon, window=2).judged(100) == 2
    assert Judging(horizon=horizon).judged(5) == 5


def test_offering_a_command_needs_neither_jax_nor_networks() -> None:
    code = (
        "import sys; from harness.verdict.envelope.offer import *; from harness.spec.models import model_names; "
        "assert 'mnist_mlp' in model_names(); import harness.verdict.gates; "
        "heavy = ('jax', 'iree', 'scipy', 'harness.nn', 'harness.specs.mnist_mlp'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
