"""Each format of a log: known by its content, read with its own steps, judged."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.diff import main
from harness.trace.format import Trace
from harness.trace.logs.formats import LOG_FORMATS
from harness.trace.recording import read_foreign
from tests.support.paths import ROOT
from tests.support.sample_logs import LOGS, RATE, falling, write_log
from tests.support.sample_traces import write

LOSSES = falling()
CONSECUTIVE = list(range(1, 101))
TENTH, FIFTH = list(range(10, 101, 10)), [1, *range(5, 101, 5)]
STEPS = dict.fromkeys(LOGS, CONSECUTIVE) | {
    "trainer-state": TENTH,
    "lightning": TENTH,
    "megatron-golden": FIFTH,
    "keras": [],
}
DIGITS = {"trainer-state": 4, "megatron-golden": 5, "megatron": 6, "torchtitan": 5}
WITH_RATES = {"trainer-state", "lightning", "megatron", "mllog", "csv", "json"}
WITH_NORMS = {"trainer-state", "megatron", "torchtitan"}
# What two logs of the same run are: those that do not tell the first steps leave it open.
CODES = dict.fromkeys(LOGS, 0) | {"trainer-state": 3, "lightning": 3, "keras": 3}
FROM_ZERO = {"lightning", "wandb", "tensorboard", "mllog", "json"}


def read(folder, name: str) -> Trace:
    return read_foreign(write_log(folder, name, LOSSES)).trace


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_every_format_but_binary_ones_has_a_sample():
    assert set(LOGS) | {"tensorboard-events", "wandb-history"} == set(LOG_FORMATS)


@pytest.mark.parametrize("name", LOGS)
def test_the_format_is_known_by_its_content(tmp_path, name):
    path = write_log(tmp_path, name, LOSSES)
    other = path.rename(tmp_path / "whatever")
    assert read_foreign(other).trace.header.phase == LOGS[name][2] == LOG_FORMATS[name].label


@pytest.mark.parametrize("name", LOGS)
def test_steps_and_losses_are_those_of_the_run(tmp_path, name):
    trace = read(tmp_path, name)
    assert trace.step.tolist() == STEPS[name]
    expected = np.array([LOSSES[step - 1] for step in STEPS[name]])
    if name == "trainer-state":
        expected = np.array(LOSSES).reshape(-1, 10).mean(axis=1)
    np.testing.assert_allclose(trace.loss, expected, atol=0.6 * 10 ** -DIGITS.get(name, 16))
    assert (trace.header.averaged is True) == (name == "trainer-state")


@pytest.mark.parametrize("name", LOGS)
def test_rates_and_norms_are_those_of_their_steps_or_unknown(tmp_path, name):
    trace = read(tmp_path, name)
    assert trace.header.tells("lr") == (name in WITH_RATES)
    np.testing.assert_allclose(trace.lr, RATE if name in WITH_RATES else 0, rtol=1e-6)
    steps = STEPS[name] if name in WITH_NORMS else []
    assert {step: line.grad_norm for step, line in trace.lines.items()} == dict.fromkeys(steps, 1.25)


@pytest.mark.parametrize("name", LOGS)
def test_what_it_does_not_tell_is_unknown(tmp_path, name):
    told = read(tmp_path, name).header.tells
    assert not any(map(told, ("netspec_name", "config", "init_sha256", "data_sha256", "shuffle", "dtype")))
    assert told("epoch") == (name == "lightning")


def test_losses_of_epochs_are_no_steps(tmp_path):
    trace = read(tmp_path, "keras")
    assert trace.header.epoch_losses == [sum(LOSSES[k : k + 8]) / 8 for k in range(0, 96, 8)]


@pytest.mark.parametrize("name", LOGS)
def test_two_logs_of_one_run_agree_as_far_as_they_tell(tmp_path, name):
    a, b = (write_log(tmp_path / side, name, LOSSES) for side in "ab")
    found = diff(a, b, "--format", "json")
    (pair,) = json.loads(found.stdout)["pairs"]
    assert found.exit_code == CODES[name]
    assert "contract" in pair["verdict"]["unreached"]
    assert not [gate for gate in pair["gates"] if gate["outcome"] == "fail"]
    assert "its steps count from 0" in pair["a"]["notes"] or name not in FROM_ZERO
    assert {"config", "init_sha256", "data_sha256", "shuffle"} <= set(pair["b"]["unknown"])
    assert pair["a"]["phase"] == LOGS[name][2]


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_other_losses_fail(tmp_path, name):
    a, b = write_log(tmp_path / "a", name, LOSSES), write_log(tmp_path / "b", name, [3 * x for x in LOSSES])
    assert [diff(a, b).exit_code, diff(b, a).exit_code] == [1, 1]


@pytest.mark.parametrize("name", sorted(set(LOGS) - {"trainer-state", "lightning", "keras"}))
def test_a_log_of_another_start_fails_at_step_1(tmp_path, name):
    a, b = write_log(tmp_path / "a", name, LOSSES), write_log(tmp_path / "b", name, [x + 0.02 for x in LOSSES])
    found = diff(a, b)
    assert found.exit_code == 1
    assert "step 1, loss" in found.stdout.splitlines()[-1]


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("name", LOGS)
def test_people_are_told_what_was_found(tmp_path, name, form):
    path = write_log(tmp_path, name, LOSSES)
    printed = diff(path, path, "--format", form).stdout.replace("\\", "")
    assert printed.count(f"({LOGS[name][2]}, ") == 2
    assert printed.count("not told: netspec_name, config, total_params, dataset, init_sha256, data_sha256") == 2


@pytest.mark.parametrize("name", sorted(set(LOGS) - {"keras", "trainer-state"}))
def test_a_trace_may_stand_against_a_log(tmp_path, name):
    trace = write(tmp_path / "trace.jsonl", LOSSES, lr=RATE)
    found = diff(trace, write_log(tmp_path, name, LOSSES), "--format", "json")
    (pair,) = json.loads(found.stdout)["pairs"]
    assert found.exit_code == CODES[name]
    assert pair["numbers"]["compared"] == len(STEPS[name])
    assert {"netspec_name", "config.lr"} <= set(pair["identity"]["unknown_a"])
    worse = write(tmp_path / "worse.jsonl", [3 * x for x in LOSSES], lr=RATE)
    assert diff(worse, write_log(tmp_path, name, LOSSES)).exit_code == 1


def test_epochs_of_a_trace_stand_against_those_that_a_log_tells(tmp_path):
    log = write_log(tmp_path, "keras", LOSSES)
    right, wrong = (write(tmp_path / f"{factor}.jsonl", [factor * x for x in LOSSES], per_epoch=8) for factor in (1, 3))
    found = diff(right, log, "--format", "json")
    assert found.exit_code == 3
    lines = [gate["line"] for gate in json.loads(found.stdout)["pairs"][0]["gates"]]
    assert "the means of 12 complete epochs are at most 0.0 % apart (epoch 0)." in lines
    assert (
        diff(wrong, log).stdout.splitlines()[-1].startswith("FAIL (training): epoch means: the mean losses of epoch 0")
    )


def test_a_mean_is_not_held_against_a_single_loss(tmp_path):
    trace = write(tmp_path / "trace.jsonl", LOSSES, lr=RATE)
    found = diff(trace, write_log(tmp_path, "trainer-state", LOSSES))
    assert found.exit_code == 3
    why = "no loss of the two sides is of the same steps: A has steps 1, 2, 3 … 100, B has means up to steps 10, 20, 30"
    assert why in found.stdout.splitlines()[-1]


def test_a_mean_is_judged_by_what_its_steps_may_be_apart(tmp_path):
    a, b = (write_log(tmp_path / side, "trainer-state", LOSSES) for side in "ab")
    assert diff(a, b, "--window", 100).exit_code == 0
    b.write_text(b.read_text().replace('"grad_norm": 1.25', '"grad_norm": 12.5'))
    assert diff(a, b).exit_code == 1


def test_reading_a_log_starts_without_the_heavy_packages(tmp_path):
    path = write_log(tmp_path, "wandb", LOSSES)
    program = (
        f"import sys; sys.argv[1:] = {[str(path)] * 2}\nfrom harness.diff import main\n"
        "try: main()\nexcept SystemExit: pass\nprint(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True, cwd=ROOT)
    heavy = {
        "jax",
        "iree",
        "pandas",
        "pyarrow",
        "rich",
        "scipy",
        "tensorboardX",
        "tensorboard",
        "google",
        "mlperf_logging",
    }
    assert set(found.stderr.split()).isdisjoint(heavy)
