"""What people do wrong, and the one line that each of them gets: where, what was found, what to do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from tests.support.paths import ROOT
from tests.support.sample_traces import write

FILES = {
    "bad.jsonl": "not json\n",
    "empty.jsonl": "",
    "object.json": '{"a": 1}\n',
    "two.csv": "step,loss_a,loss_b\n1,2,3\n2,3,4\n",
    "none.csv": "x,y\n1,2\n",
    "bare.csv": "step,loss\n",
    "number.py": "SPEC = 1\nCONFIG = 2\n",
    "syntax.py": "def x(:\n",
    "night.toml": "[[verify]]\nmodels = ['mnist_mpl']\n",
    "torn.toml": "[[verify\n",
}
# A command line as people type it, and what its line says.
WRONG = {
    "diff": "name at least two traces. See `harness diff --help`.",
    "diff a.jsonl": "name at least two traces. See `harness diff --help`.",
    "diff a.jsonl nowhere.jsonl": "nowhere.jsonl:1: cannot be read: No such file or directory.",
    "diff a.jsonl folder": "folder:1: a directory; expected a trace file.",
    "diff a.jsonl bad.jsonl": "bad.jsonl:1: neither a trace nor a log of a format that is known",
    "diff a.jsonl empty.jsonl": "empty.jsonl:1: the file is empty; expected a header line.",
    "diff a.jsonl object.json": "object.json:1: JSON without a column of losses; it has 'a'. Name one with",
    "diff a.jsonl two.csv": "two.csv:1: the loss may be 'loss_a' or 'loss_b'. Name one with --loss-key.",
    "diff a.jsonl none.csv": "none.csv:1: CSV without a column of losses; it has 'x' and 'y'. Name one with",
    "diff a.jsonl bare.csv": "bare.csv:1: a log of CSV without any loss of a step.",
    "diff a.jsonl two.csv --loss-key loss_c": "two.csv:1: unknown column 'loss_c'; did you mean 'loss_b'?",
    "diff a.jsonl a.jsonl --mode loose": "'loose' is not one of 'bitwise', 'strict', 'cross-gpu', 'cross-comp'.",
    "diff a.jsonl a.jsonl --window 0": "Invalid value for '--window': 0 is not in the range x>=1.",
    "diff a.jsonl a.jsonl --all-steps --window 3": "--window and --all-steps exclude each other.",
    "diff a.jsonl a.jsonl --require-coverage 120%": "'120%' is no percentage from 0 to 100.",
    "diff a.jsonl a.jsonl --html folder": "File 'folder' is a directory.",
    "diff a.jsonl a.jsonl --formt json": "No such option '--formt'. Did you mean '--format'?",
    "convert two.csv --from auto -o out": "two.csv:1: the loss may be 'loss_a' or 'loss_b'. Name one with",
    "convert a.jsonl --to wandb -o out": "'wandb' is not one of 'trace', 'tensorboard', 'mllog'.",
    "verify": "Missing argument 'MODEL'. See `harness verify --help`.",
    "verify mnist_mpl": "unknown model 'mnist_mpl'; did you mean 'mnist_mlp'? Known are cifar_cnn, ",
    "verify nowhere.py": "nowhere.py: no such file. Give the path of a network's file, or a name of `harness",
    "verify number.py": "number.py: SPEC is of type int, expected a NetSpec.",
    "verify syntax.py": "syntax.py:1: SyntaxError: invalid syntax. Correct the file.",
    "verify folder/": "folder/: a network's file ends with .py. Give the path of such a file.",
    "verify mnist_mlp --steps 0": "'0' is neither a whole number of at least 1 nor `full`.",
    "verify mnist_mlp --backends gpu": "unknown backend 'gpu'; known are cpu, cuda, rocm, vulkan, vmvx.",
    "verify mnist_mlp --data nowhere": "nowhere: no such folder. Give one with train-images-idx3-ubyte, ",
    "verify mnist_mlp --pipeline-cmd x": "--pipeline-cmd 'x': expected NAME=COMMAND, NAME of letters, digits",
    "verify mnist_mlp --image-size 64": "specs/mnist_mlp.py: the network takes inputs of 784 only. Leave the",
    "power --late --modules": "--late and --modules are two campaigns. Choose one.",
    "run mnist_mlp --pipeline phase4": "unknown pipeline 'phase4'; did you mean 'phase3'?",
    "run mnist_mlp --pipeline phase2 --follow phase2": "--follow phase2: a run cannot follow itself.",
    "oracle nocase": "unknown case 'nocase'; known are dense, ",
    "explain mnist_mlp --against nowhere.jsonl": "nowhere.jsonl:1: cannot be read: No such file or directory.",
    "replay a.jsonl": "a.jsonl: no manifest beside it; expected a whole cell.",
    "export a.jsonl -o out.tgz": "a.jsonl: no manifest beside it; expected a whole cell.",
    "import a.jsonl": "a.jsonl: not a gzip file, or a damaged one",
    "accept a.jsonl --reason new": "a.jsonl: has no manifest beside it; expected a cell that `harness` ran.",
    "nightly nowhere.toml": "nowhere.toml: cannot be read: No such file or directory. Expected one such as",
    "nightly torn.toml": "torn.toml",
    "nightly night.toml": "unknown model 'mnist_mpl'; did you mean 'mnist_mlp'?",
    "report folder": "Missing option '-o' / '--out'.",
    "attest verify folder": "folder: no statement in it; expected files named *.intoto.json.",
    "frobnicate": "No such command 'frobnicate'.",
}


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", [2.0, 1.5, 1.25])
    (tmp_path / "folder").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize("command", WRONG)
def test_a_wrong_use_is_told_in_one_line(command: str, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    found = CliRunner().invoke(cli.main, command.split(), prog_name="harness")
    assert found.exit_code == 2
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert WRONG[command] in line
    assert re.match(r"harness: |[\w.]+:1: ", line)
    after = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(after) == before, "nothing is left behind"


@pytest.mark.parametrize("command", ["verify mnist_mlp", "run mnist_mlp --pipeline phase2", "oracle", "emit mnist_mlp"])
def test_what_trains_says_what_to_install_where_the_core_is_alone(command: str) -> None:
    missing = "; ".join(f"sys.modules[{name!r}] = None" for name in ("jax", "iree", "autograd", "scipy"))
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {missing}; from harness.cli import main; main()"
    words = [sys.executable, "-c", program, *command.split()]
    found = subprocess.run(words, text=True, capture_output=True, check=False)
    assert found.returncode == 2
    assert found.stderr.endswith("is not installed. Run `pip install 'training-trace-harness[run]'`.\n")
    assert found.stderr.count("\n") == 1


def test_a_variable_that_names_no_device_is_refused_before_any_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IREE_DEVICE", "/dev/x")
    words = ["verify", "mnist_mlp", "--steps", "1", "--data", "synthetic", "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(cli.main, words, prog_name="harness")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("harness: IREE_DEVICE is '/dev/x', expected a name that starts with ")
    assert not (tmp_path / "out").exists()
