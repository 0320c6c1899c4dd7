"""Each pipeline against itself, as another revision of this very harness emits it: the whole way, of a tiny network."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.run import revision
from harness.system.git import Repository
from harness.trace.recording import read_recording
from tests.support.checkouts import own_code
from tests.support.own_network import NETWORK, write
from tests.support.paths import ROOT
from tests.support.repositories import commit
from tests.support.schemas import violation

SGD = Path("harness/nn/optimizers/sgd.py")
START = Path("harness/data/initial_parameters.py")


def verify(*arguments: object) -> Result:
    words = ["verify", *map(str, arguments), "--data", "synthetic", "--steps", "4", "--backends", "cpu"]
    return CliRunner().invoke(main, words, catch_exceptions=False)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`same` is the code of today; in `broken` phase 3 takes twice the step, `elsewhere` begins at other parameters."""
    root = own_code(tmp_path_factory.mktemp("code") / "repository")
    head, step, rest = (root / SGD).read_text().partition('"velocity_new")\n    return velocity')
    assert step and rest
    (root / SGD).write_text(f'{head}"velocity_new")\n    return h.add(velocity, velocity, "direction"){rest}')
    commit(root, "broken")
    (root / SGD).write_text((ROOT / SGD).read_text())
    text = (root / START).read_text()
    assert "draw(seed, " in text
    (root / START).write_text(text.replace("draw(seed, ", "draw(seed + 1, "))
    commit(root, "elsewhere")
    return root


@pytest.fixture
def network(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(revision, "find_checkout", lambda: Repository(code))
    return write(tmp_path, "tiny_against", NETWORK)


@pytest.mark.usefixtures("no_network_file_yet")
def test_the_same_generator_agrees_bit_for_bit(network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = verify(network, "--against-rev", "same", "--out", out)
    assert found.exit_code == 0, found.output
    (path,) = (out / "reports").glob("tiny_against.against-*.json")
    report = json.loads(path.read_text())
    assert violation(report, "verify") is None
    short = report["against"]
    assert report["mode"] == "bitwise"
    assert [(pair["pair"], pair["kind"], pair["verdict"]["status"]) for pair in report["pairs"]] == [
        (f"{name}@{short}-cpu vs {name}-cpu", "cross-time", "PASS") for name in ("phase2", "phase3")
    ]
    (before,) = (out / "traces" / f"at-{short}").glob(f"tiny_against.phase2@{short}-noshuf-cpu.jsonl")
    assert read_recording(before).contradictions == ()
    assert "## cross-time" in path.with_suffix(".md").read_text()


@pytest.mark.usefixtures("no_network_file_yet")
def test_a_generator_that_was_wrong_differs_in_its_pipeline_only(network: Path, tmp_path: Path) -> None:
    found = verify(network, "--against-rev", "broken", "--out", tmp_path / "out", "--mode", "cross-comp")
    assert found.exit_code == 1, found.output
    (path,) = (tmp_path / "out" / "reports").glob("*.json")
    report = json.loads(path.read_text())
    assert report["mode"] == "cross-comp"
    assert [pair["verdict"]["status"] for pair in report["pairs"]] == ["PASS", "FAIL"]
    assert report["pairs"][1]["numbers"]["step_1"] == 0  # its forward pass is right


@pytest.mark.usefixtures("no_network_file_yet")
def test_a_generator_that_began_elsewhere_fails_by_that(network: Path, tmp_path: Path) -> None:
    found = verify(network, "--against-rev", "elsewhere", "--out", tmp_path / "out")
    assert found.exit_code == 1, found.output
    (path,) = (tmp_path / "out" / "reports").glob("*.json")
    verdicts = [pair["verdict"] for pair in json.loads(path.read_text())["pairs"]]
    assert [(verdict["gate"], verdict["place"]) for verdict in verdicts] == 2 * [("contract", "init_sha256")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--pipeline-cmd", "a=b"], "--against-rev runs the harness's own pipelines: leave --pipeline-cmd out."),
        (["--keep-states", "2"], "--against-rev keeps no states: leave --keep-states out."),
        ([], "'v9': no such revision in "),
    ],
)
@pytest.mark.usefixtures("no_network_file_yet")
def test_what_makes_no_sense_is_told_in_a_line(network: Path, tmp_path: Path, words: list[str], told: str) -> None:
    found = verify(network, "--against-rev", "v9", *words, "--out", tmp_path / "out")
    assert found.exit_code == 2
    assert told in found.stderr
    assert found.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "reports").exists()


@pytest.mark.usefixtures("no_network_file_yet")
def test_a_backend_that_was_asked_for_and_is_absent(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "")
    words = ["verify", network, "--against-rev", "same", "--data", "synthetic", "--steps", "2", "--backends", "rocm"]
    found = CliRunner().invoke(main, [*map(str, words), "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert found.exit_code == 3
    assert "no pair could be compared" in found.output
