"""Envelopes as files: which trace has which, and the command that makes them."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.envelope import render
from harness.emit.header import header_facts
from harness.errors import EnvelopeError
from harness.run.inprocess import SHARED
from harness.spec.models import load_model
from harness.system.seal import seal_file
from harness.trace.format import TraceHeader
from harness.verdict.channels import GRAD, GRAD_PROJECTION, LOSS, UPDATE, UPDATE_PROJECTION
from harness.verdict.envelope.envelope import Envelope, read_envelope, write_envelope
from harness.verdict.envelope.find import SHIPPED, find_envelope, find_shared_envelope, keep_envelope
from harness.verdict.envelope.plan import BUDGET, LEAST
from tests.support.networks import config
from tests.support.paths import ROOT
from tests.support.small_envelope import GRAPH, initial


def header(envelope: Envelope, **changes: object) -> TraceHeader:
    facts = header_facts(GRAPH, config(), "f32", SHARED, "phase2")
    known = {key: getattr(envelope, key) for key in ("dataset", "data_sha256", "init_sha256", "shuffle")}
    facts = facts | known | changes
    return msgspec.convert({key: value for key, value in facts.items() if value is not None}, TraceHeader)


def test_a_file_gives_back_what_was_written(tmp_path: Path, envelope: Envelope) -> None:
    write_envelope(tmp_path / "e.json", envelope)
    assert read_envelope(tmp_path / "e.json") == envelope
    json.loads((tmp_path / "e.json").read_text())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}'])
def test_a_file_of_something_else_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(EnvelopeError, match=r"e\.json: not an envelope: .* Build it again"):
        read_envelope(tmp_path / "e.json")


def test_an_envelope_of_another_format_is_refused(tmp_path: Path, envelope: Envelope) -> None:
    write_envelope(tmp_path / "e.json", msgspec.structs.replace(envelope, format=1))
    with pytest.raises(EnvelopeError, match=r"of another format\. Build it again with `harness envelope`"):
        read_envelope(tmp_path / "e.json")
    (tmp_path / "old.json").write_text('{"format": 1, "channels": ["loss"], "spreads": [[1e-7]]}')
    with pytest.raises(EnvelopeError, match=r"of another format\. Build it again with `harness envelope`"):
        read_envelope(tmp_path / "old.json")


def test_an_envelope_without_a_number_for_each_channel_is_refused(tmp_path: Path, envelope: Envelope) -> None:
    write_envelope(tmp_path / "e.json", msgspec.structs.replace(envelope, channels=["loss"]))
    with pytest.raises(EnvelopeError, match="do not have a number for each channel"):
        read_envelope(tmp_path / "e.json")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data_sha256": None, "shuffle": None},
        {"netspec_hash": None, "dtype": None},
        {"config": {**config().header(), "nesterov": True}},
        {"config": {**config().header(), "lr": float(np.float32(config().lr))}, "dtype": "float32"},
        {"backend": "cuda"},
    ],
    ids=["all", "unknown data", "unknown network", "unknown key", "another spelling", "elsewhere"],
)
def test_an_envelope_is_found_by_what_the_header_says(tmp_path: Path, envelope: Envelope, changes: dict) -> None:
    keep_envelope(envelope, tmp_path)
    assert find_envelope(header(envelope, **changes), tmp_path) == envelope


@pytest.mark.parametrize(
    "changes",
    [
        {"netspec_hash": "1" * 64},
        {"netspec_hash": None, "total_params": 7},
        {"config": config(lr=0.5).header()},
        {"init_sha256": "1" * 64},
        {"init_sha256": None},
        {"init_sha256": None, "netspec_hash": None, "data_sha256": None, "shuffle": None, "dtype": None},
        {"data_sha256": "1" * 64},
        {"shuffle": True},
        {"dtype": "f64"},
    ],
    ids=str,
)
def test_an_envelope_of_another_run_is_not(tmp_path: Path, envelope: Envelope, changes: dict) -> None:
    keep_envelope(envelope, tmp_path)
    assert find_envelope(header(envelope, **changes), tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"horizon": 0},
        {"reached": [[1e300]], "channels": ["loss"]},
        {"reached": [[-1.0]], "channels": ["loss"]},
        {"channels": []},
        None,
    ],
)
def test_a_damaged_file_is_said_and_never_taken_for_none(
    tmp_path: Path, envelope: Envelope, damage: dict | None
) -> None:
    path = keep_envelope(envelope, tmp_path)
    text = json.dumps(json.loads(path.read_text()) | damage) if damage is not None else "{"
    path.write_text(text)
    assert seal_file(path) is None  # damaged, and by nobody else
    with pytest.raises(EnvelopeError, match=r"Build it again with `harness envelope`\."):
        find_envelope(header(envelope), tmp_path)


def test_an_envelope_belongs_to_the_initial_parameters_that_both_sides_state(
    tmp_path: Path, envelope: Envelope
) -> None:
    other = msgspec.structs.replace(envelope, init_seed=43, init_sha256="ab")
    for one in (envelope, other):
        keep_envelope(one, tmp_path)
    told = header(other)
    untold = msgspec.structs.replace(told, init_sha256=None)
    assert find_shared_envelope(told, told, tmp_path) == other
    assert find_shared_envelope(told, untold, tmp_path) is find_shared_envelope(untold, told, tmp_path) is None


@pytest.mark.parametrize("path", sorted(SHIPPED.iterdir()), ids=lambda path: path.name.partition("-")[0])
def test_the_shipped_envelopes_are_of_the_networks_as_they_are(path: Path, tmp_path: Path) -> None:
    shipped = read_envelope(path)
    model = load_model(shipped.netspec_name.lower().replace("-", "_"))
    facts = header_facts(model.graph, model.config, "f32", SHARED, "phase3")
    digest = hashlib.sha256(initial(model.graph).astype("<f4").tobytes()).hexdigest()
    found = find_envelope(msgspec.convert(facts | {"init_sha256": digest}, TraceHeader), tmp_path)
    assert found == shipped
    assert found.training_steps <= BUDGET
    assert found.members >= 30
    kinds = (GRAD, UPDATE, GRAD_PROJECTION, UPDATE_PROJECTION)
    assert set(found.channels) == {LOSS} | {f"{kind}{p.name}" for kind in kinds for p in model.graph.params}
    assert f"{found.training_steps} training steps" in str(render(found))


def test_shipped_files_are_small() -> None:
    assert all(path.stat().st_size < 20_000 for path in SHIPPED.iterdir())


def test_judging_by_an_envelope_needs_neither_jax_nor_scipy() -> None:
    code = (
        "import sys; from harness.verdict.envelope_gate import check_envelope; "
        "from harness.verdict.envelope.find import *; "
        "from harness.verdict.envelope.margin import fitted_margin; fitted_margin(); "
        "print([name for name in ('jax', 'scipy', 'iree') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_cache_that_cannot_be_written_is_said_before_the_work(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "the cache cannot be written" in done.stderr


def test_an_envelope_of_any_start_is_built_within_a_time(tmp_path: Path, mnist: Path) -> None:
    model = load_model("mnist_mlp", batch=4)
    parameters = np.full(model.graph.total_params, 0.01, "<f4")
    start, out = tmp_path / "start.bin", tmp_path / "e.json"
    start.write_bytes(parameters.tobytes())
    options = ["--batch", "4", "--data", str(mnist), "--init", str(start), "--seconds", "1", "--out", str(out)]
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp", *options, "--steps-budget", str(LEAST)])
    assert done.exit_code == 0, done.output
    built = read_envelope(out)
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    assert (built.init_seed, built.init_sha256, built.training_steps) == (None, digest, LEAST)
    assert len(built.reached) == 3
    assert f"MNIST-MLP, initial parameters {digest[:12]}…: how far" in done.stdout
    (tmp_path / "cache").mkdir()
    keep_envelope(built, tmp_path / "cache")
    facts = header_facts(model.graph, model.config, "f32", SHARED, "phase2")
    told = msgspec.convert(facts | {"init_sha256": digest}, TraceHeader)
    assert find_envelope(told, tmp_path / "cache") == built


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--init", "start.bin", "--seed", "42"], "--seed and --init exclude each other."),
        (["--init", "start.bin"], "3 bytes found, 2678824 expected for 669706 parameters"),
        (["--steps-budget", "100"], "100 training steps are too few for an envelope"),
    ],
    ids=["both", "short file", "budget"],
)
def test_options_that_make_no_sense_are_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mnist: Path, options: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("start.bin").write_bytes(b"abc")
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp", "--data", str(mnist), "--out", "e.json", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert line in done.stderr


def test_a_folder_for_the_file_that_is_not_there_is_said_before_the_work(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp", "--out", str(tmp_path / "no" / "e.json")])
    assert done.exit_code == 2
    assert "does not exist. Make it first." in done.stderr
