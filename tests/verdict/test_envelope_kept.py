"""Envelopes that are kept in the cache: one that this user's harness did not leave there is told and not used."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.emit.header import header_facts
from harness.errors import EnvelopeError
from harness.run.inprocess import SHARED
from harness.spec.models import load_model
from harness.system.notice import note_once
from harness.trace.format import TraceHeader
from harness.verdict.envelope.envelope import Envelope, read_envelope
from harness.verdict.envelope.find import SHIPPED, envelope_folder, find_envelope, keep_envelope
from tests.support.sample_traces import write

SHIPPED_ONE = read_envelope(next(SHIPPED.glob("MNIST_MLP-*.json")))
ENVELOPE = msgspec.structs.replace(SHIPPED_ONE, init_seed=43, init_sha256="1" * 64)  # one that nobody ships


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the envelope in it; its path."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    note_once.cache_clear()
    path = keep_envelope(ENVELOPE)
    assert found() == ENVELOPE
    return path


def found() -> Envelope | None:
    model = load_model("mnist_mlp")
    facts = header_facts(model.graph, model.config, "f32", SHARED, "phase3") | {"init_sha256": "1" * 64}
    return find_envelope(msgspec.convert(facts, TraceHeader))


def wider(path: Path) -> None:
    """The planted one: it allows a thousand times as much."""
    told = json.loads(path.read_text())
    told["reached"] = [[min(999.0, 1000 * apart) for apart in row] for row in told["reached"]]
    path.write_text(json.dumps(told))


def renamed(path: Path) -> None:
    """A sealed file with its seal, under the name of another."""
    for suffix in ("", ".seal"):
        shutil.move(f"{path}{suffix}", f"{path.with_name(path.name.replace('MLP-', 'MLP-0'))}{suffix}")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def linked(path: Path) -> None:
    shutil.move(path, path.with_suffix(".aside"))
    path.symlink_to(path.with_suffix(".aside"))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "wider": (wider, "it is not as this user's harness left it"),
    "no seal": (lambda path: path.with_name(f"{path.name}.seal").unlink(), "it is not as this user's harness left it"),
    "another secret": (lambda path: (path.parents[1] / "seal.key").unlink(), "it is not as this user's harness left"),
    "renamed": (renamed, "it is not as this user's harness left it"),
    "a pipe": (piped, "it is not a file of this user alone"),
    "a link": (linked, "it is not a file of this user alone"),
    "others may write it": (lambda path: path.chmod(0o622), "it is not a file of this user alone"),
    "others may write the folder": (lambda path: path.parent.chmod(0o777), "can be written by other users"),
    "others may write the cache": (lambda path: path.parents[1].chmod(0o777), "can be written by other users"),
    "damaged": (lambda path: path.write_text("{"), "it is not as this user's harness left it"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_envelope_that_is_not_vouched_for_is_told_and_not_used(
    kept: Path, capfd: pytest.CaptureFixture[str], change: str
) -> None:
    do, why = CHANGES[change]
    do(kept)
    assert (found(), found()) == (None, None)
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert why in said
    assert said.endswith("; this envelope is not used. Build it again with `harness envelope`, or remove it.\n")


def test_a_planted_envelope_stops_no_comparison(kept: Path, tmp_path: Path) -> None:
    traces = [str(write(tmp_path / f"{name}.jsonl", [2.0, 1.0], init_sha256="0" * 64)) for name in "ab"]
    name = json.loads(Path(traces[0]).read_text().splitlines()[0])["netspec_name"]
    shutil.copy(kept, kept.with_name(f"{re.sub('[^A-Za-z0-9_]+', '_', name)}-0.json"))
    done = CliRunner().invoke(main, ["diff", *traces])
    assert done.exit_code == 0
    assert done.stderr.count("this envelope is not used") == 1


def test_the_secret_is_for_this_user_alone(kept: Path) -> None:
    secret = kept.parents[1] / "seal.key"
    assert (secret.stat().st_mode & 0o777, secret.stat().st_size) == (0o600, 32)


def test_what_would_not_be_believed_is_said_before_the_work(kept: Path) -> None:
    envelope_folder().chmod(0o777)
    done = CliRunner().invoke(main, ["envelope", "mnist_mlp"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "can be written by other users, and an envelope from there would not be believed" in done.stderr
    with pytest.raises(EnvelopeError, match="would not be believed"):
        keep_envelope(ENVELOPE)
