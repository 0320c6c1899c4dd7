"""Somebody else's command as a pipeline, under the same contract and without a shell."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ContractError
from harness.run.cell_plan import CellPlan
from harness.run.execute import run_cell
from harness.run.external import External, parse_external, parse_externals
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.reader import read_trace

# A program that is no part of the package: it obeys the contract but for the step limit, and tells what it was given.
PROGRAM = """#!/usr/bin/env python3
import json, os, sys, time
variables = {name: value for name, value in os.environ.items() if name.startswith("LEAN_MLIR_")}
with open(os.environ["TOLD"], "w") as told:
    json.dump({"arguments": sys.argv[1:], "variables": variables}, told)
with open(os.environ["LEAN_MLIR_TRACE_OUT"], "w", buffering=1) as trace:
    header = {"kind": "header", "phase": "lean", "netspec_name": "N", "config": {}, "total_params": 1}
    trace.write(json.dumps(header | {"dataset": "mnist", "emitter_version": "4.2"}) + "\\n")
    for k in range(1, 100000):
        trace.write(json.dumps({"kind": "step", "step": k, "epoch": 0, "loss": 1 / k, "lr": 0.1}) + "\\n")
        time.sleep(0.005)
"""


def run(tmp_path: Path, text: str, environment: dict[str, str]) -> tuple[Manifest, dict[str, object]]:
    """Run a `--pipeline-cmd` as verify does; the manifest and what the program was given."""
    external = parse_external(text)
    plan = CellPlan(
        f"net.{external.name}-noshuf-cpu",
        tuple(word.replace("{data}", "some data") for word in external.command()),
        tmp_path / "traces",
        facts=CellFacts(model="net", pipeline=external.name, backend="cpu"),
        environment={"TOLD": str(tmp_path / "told"), **environment},
        planned_steps=4,
        obeys_step_limit=False,
    )
    manifest = run_cell(plan)
    return manifest, json.loads((tmp_path / "told").read_text())


def test_a_command_that_is_no_part_of_the_package(tmp_path: Path) -> None:
    program = tmp_path / "a program"
    program.write_text(PROGRAM)
    contract = {"LEAN_MLIR_NO_SHUFFLE": "1", "LEAN_MLIR_MAX_STEPS": "4", "LEAN_MLIR_INIT_LOAD": str(tmp_path / "init")}
    text = f"lean={sys.executable} '{program}' --seed '$HOME' '*' ';' "
    manifest, told = run(tmp_path, text, contract)
    assert (manifest.status, manifest.reason, manifest.steps_written) == (
        "complete",
        "stopped after the planned steps",
        4,
    )
    assert told["arguments"] == ["--seed", "$HOME", "*", ";", "some data"], "no shell, the data folder last"
    out = str(tmp_path / "traces" / "net.lean-noshuf-cpu.partial.jsonl")
    assert told["variables"] == contract | {"LEAN_MLIR_TRACE_OUT": out}
    trace = read_trace(tmp_path / "traces" / "net.lean-noshuf-cpu.jsonl")
    assert trace.loss.tolist() == [1, 1 / 2, 1 / 3, 1 / 4]


def test_the_data_folder_takes_its_place(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    _, told = run(tmp_path, f"x={sys.executable} {program} --data={{data}} {{data}} end", {})
    assert told["arguments"] == ["--data=some data", "some data", "end"]


def test_an_executable_of_its_own(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    manifest, told = run(tmp_path, f"x={program}", {})
    assert manifest.status == "complete"
    assert told["arguments"] == ["some data"]


def test_a_command_is_split_as_a_shell_does() -> None:
    assert parse_external("lean=./bin/mnist 'a b'") == External("lean", ("./bin/mnist", "a b"))
    assert parse_external(" lean_2 = x --y=z") == External("lean_2", ("x", "--y=z"))
    assert External("a", ("x",)).command() == ("x", "{data}")
    assert External("a", ("x", "-d{data}", "y")).command() == ("x", "-d{data}", "y")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("./bin/mnist", "expected NAME=COMMAND, NAME of letters, digits and underscores."),
        ("=./bin/mnist", "expected NAME=COMMAND, NAME of letters, digits and underscores."),
        ("a-b=x", "expected NAME=COMMAND, NAME of letters, digits and underscores."),
        ("../up=x", "expected NAME=COMMAND, NAME of letters, digits and underscores."),
        ("lean=", "the command is empty."),
        ("lean=  ", "the command is empty."),
        ("lean=''", "the command is empty."),
        ("lean=x 'y", "No closing quotation."),
        ("phase2=x", "phase2 is a pipeline of this harness. Choose another name."),
        ("phase3=x", "phase3 is a pipeline of this harness. Choose another name."),
    ],
)
def test_a_command_without_name_or_words_is_refused(text: str, what: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_external(text)
    assert str(caught.value) == f"--pipeline-cmd {text!r}: {what}"


def test_two_commands_of_one_name_are_refused() -> None:
    assert [external.name for external in parse_externals(["a=x", "b=x"])] == ["a", "b"]
    assert parse_externals([]) == ()
    with pytest.raises(ContractError, match=r"^--pipeline-cmd: the name a is given twice\."):
        parse_externals(["a=x", "b=y", "a=z"])


@given(st.text())
def test_no_text_gives_a_traceback(text: str) -> None:
    try:
        external = parse_external(text)
    except ContractError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert external.name.isascii()
        assert external.words


def test_a_report_tells_the_command_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = f"lean={tmp_path}/train '{{data}}' --api-key s3cr3t-value --name 'two words' /srv/projects/net.cfg"
    verification = Verification(model=load_model("mnist_mlp"), out=Path(), externals=(parse_external(given),))
    command = verification.command(verification.cell("lean", "cpu"))
    words = shlex.split(command)
    told = words[words.index("--pipeline-cmd") + 1]
    assert told == "lean=./train '{data}' --api-key SECRET --name 'two words' .../net.cfg"
    assert parse_external(told).words[1:] == (*shlex.split(told)[1:],)
    assert "s3cr3t" not in command
    follower = verification.follow(verification.cell("lean", "cpu"), "phase2", "cpu")
    assert f"--follow lean --pipeline-cmd {shlex.quote(told)}" in follower[0].command(follower[1])
    assert "--pipeline-cmd" not in verification.command(verification.cell("phase2", "cpu"))


def test_a_command_told_without_paths_and_secrets_runs_again_as_it_was() -> None:
    external = parse_external("x=python3 -P train.py --layers '1 2' --data={data}")
    assert parse_external(external.told) == external
