"""`harness compile`: what compiles for which target, how long it took, and what the compiler said where it does not."""

import json

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.compile import render
from harness.errors import EmitError
from harness.run import compile_targets
from harness.run.compile_targets import compile_step, compile_steps, part_of
from harness.spec.models import load_model
from harness.trace.known_trouble import KNOWN_TROUBLE, Trouble

pytestmark = pytest.mark.usefixtures("own_chips")
MLP = load_model("mnist_mlp", batch=2)


def refuse(monkeypatch: pytest.MonkeyPatch, message: str, backend: str = "rocm") -> None:
    """Let the compiler refuse everything for one backend."""
    compiles = compile_targets.compile_module

    def compile_module(text, flags, name):
        if any(backend in flag for flag in flags):
            raise EmitError(f"{name}: iree-compile: {message}")
        return compiles(text, flags, name)

    monkeypatch.setattr(compile_targets, "compile_module", compile_module)


def test_every_target_has_a_row_in_the_order_asked() -> None:
    seen = []
    results = compile_steps([MLP], ["rocm", "cpu"], "f32", jobs=2, on_result=seen.append)
    assert [(result.model, result.backend, result.chip) for result in results] == [
        ("mnist_mlp", "rocm", "gfx1100"),
        ("mnist_mlp", "cpu", "host"),
    ]
    assert all(result.seconds and result.module_bytes and result.lines > 100 for result in results)
    assert sorted(seen, key=results.index) == results


def test_a_refusal_is_a_row_with_the_compilers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "error: 'linalg.generic' op is odd")
    result = compile_step(MLP, "rocm", "f32")
    assert (result.seconds, result.module_bytes, result.trouble) == (None, None, None)
    assert result.diagnostic == "mnist_mlp, train_step: iree-compile: error: 'linalg.generic' op is odd"
    shown = str(render([result], "text"))
    assert "does not compile" in shown
    assert result.diagnostic in shown


def test_a_known_refusal_names_its_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Trouble("odd", "odd", "rocm", "phase3", "IREE 3.x", "wait", "iree#1", stderr="is odd")
    monkeypatch.setattr("harness.trace.recognition.KNOWN_TROUBLE", (known, *KNOWN_TROUBLE))
    refuse(monkeypatch, "error: it is odd")
    result = compile_step(MLP, "rocm", "f32")
    assert result.trouble is known
    assert "known trouble (iree#1)" in str(render([result], "markdown"))


def test_a_refused_target_is_exit_code_1_and_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["compile", "mnist_mlp", "--batch", "2", "--backends", "cpu,rocm", "--format", "json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    assert [row["known_trouble"] for row in json.loads(done.stdout)] == [None, None]
    refuse(monkeypatch, "error: no")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    cpu, rocm = json.loads(done.stdout)
    assert cpu["seconds"] > 0
    assert (rocm["seconds"], rocm["module_bytes"]) == (None, None)
    assert "error: no" in rocm["diagnostic"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--part", "4/3"], "there is no shard 4 of 3; expected one from 1 to N."),
        (["--shard", "0/2"], "there is no shard 0 of 2"),
        (["--shard", "1/0"], "there is no shard 1 of 0"),
        (["--shard", "²/3"], "'²/3' is not of the form 2/3"),
        (["--part", "x"], "'x' is not of the form 2/3"),
        (["--backends", ","], "expected names separated by commas"),
        (["--backends", "metal"], "unknown backend 'metal'; known are cpu, cuda, rocm, vulkan, vmvx."),
        (["lenet"], "unknown model 'lenet'"),
    ],
)
def test_bad_usage_is_exit_code_2(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["compile", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr


def test_the_parts_are_the_whole() -> None:
    names = [f"n{i}" for i in range(14)]
    parts = [part_of(names, k, 3) for k in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
