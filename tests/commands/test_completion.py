import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.completion import SHELLS
from harness.nn.cases import CASES
from harness.run.pipelines import PIPELINES
from harness.spec.models import model_names
from tests.support.paths import ROOT


def complete(line: str, folder: Path = ROOT, shell: str = "bash") -> list[str]:
    """Completions that `harness` offers for the last word of a line, as the shell's script asks it."""
    words = line.split(" ")
    environment = {**os.environ, "_HARNESS_COMPLETE": f"{shell}_complete", "COMP_WORDS": line}
    environment |= {"COMP_CWORD": str(len(words) - 1) if shell != "fish" else words[-1]}
    command = [sys.executable, "-c", "from harness.cli import main; main(prog_name='harness')"]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    return found.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("harness ver", ["verify"]),
        ("harness verify mnist_", ["mnist_cnn", "mnist_mlp"]),
        ("harness explain pool-", ["pool-3x3-stride2", "pool-oblong", "pool-padded", "pool-ties"]),
        ("harness verify mnist_mlp --mode cross-", ["cross-gpu", "cross-comp"]),
        ("harness verify mnist_mlp --backends c", ["cpu", "cuda"]),
        ("harness verify mnist_mlp --backends cpu,", ["cpu,cuda", "cpu,rocm", "cpu,vulkan", "cpu,vmvx"]),
        ("harness run mnist_mlp --backend ro", ["rocm"]),
        ("harness run mnist_mlp --pipeline phase2", ["phase2", "phase2-iree"]),
        ("harness compile mnist_mlp vit", ["vit_tiny"]),
        ("harness data fetch cifar10", ["cifar10", "cifar10-synthetic"]),
        ("harness completion ", list(SHELLS)),
        ("harness verify mnist_mlp --all", ["--all-steps"]),
    ],
)
def test_completion_offers_what_may_follow(line, expected):
    assert complete(line) == [f"plain,{word}" for word in expected]


def test_every_network_case_and_pipeline_is_offered():
    assert complete("harness verify ") == [f"plain,{name}" for name in model_names()]
    assert complete("harness oracle ") == [f"plain,{name}" for name in (*CASES, *model_names())]
    assert complete("harness run mnist_mlp --pipeline ") == [f"plain,{name}" for name in PIPELINES]


def test_where_no_network_has_that_name_the_shell_looks_for_files():
    assert complete("harness verify nets/mi") == ["file,nets/mi"]
    assert complete("harness oracle ./") == ["file,./"]


def test_traces_are_offered_and_nothing_else_of_their_folder(tmp_path):
    for name in ("a.jsonl", "b.jsonl.gz", "a.manifest.json", "notes.txt"):
        (tmp_path / name).touch()
    assert complete("harness diff ", tmp_path) == ["plain,a.jsonl", "plain,b.jsonl.gz"]
    assert complete("harness diff a.jsonl b", tmp_path) == ["plain,b.jsonl.gz"]
    assert complete(f"harness convert {tmp_path}/", ROOT) == [
        f"plain,{tmp_path}/{name}" for name in ("a.jsonl", "b.jsonl.gz")
    ]
    for verb in ("explain mnist_mlp --against", "accept", "export", "attest make"):
        assert complete(f"harness {verb} a", tmp_path) == ["plain,a.jsonl"]


def test_where_there_is_no_trace_the_shell_looks_itself(tmp_path):
    (tmp_path / "traces").mkdir()
    assert complete("harness diff tr", tmp_path) == ["file,tr"]
    assert complete("harness diff nowhere/", tmp_path) == ["file,nowhere/"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell(shell):
    found = CliRunner().invoke(main, ["completion", shell])
    assert found.exit_code == 0
    assert f"_HARNESS_COMPLETE={shell}_complete" in found.stdout


def test_bash_completes_with_the_script(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    program = tmp_path / "harness"
    program.write_text(f"#!{sys.executable}\nfrom harness.cli import main\nmain()\n")
    program.chmod(0o755)
    asking = (
        'eval "$(harness completion bash)"\n'
        "COMP_WORDS=(harness verify mnist_m) COMP_CWORD=2\n"
        "_harness_completion harness\n"
        'echo "${COMPREPLY[@]}"; complete -p harness\n'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run([bash, "-c", asking], env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["mnist_mlp", "complete -o nosort -F _harness_completion harness"]


@pytest.mark.parametrize("line", ["harness verify mn", "harness oracle ", "harness run m --pipeline "])
def test_nothing_heavy_is_loaded_for_it(line):
    program = (
        "import sys\nfrom harness.cli import main\n"
        "try: main(prog_name='harness')\nexcept SystemExit: pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    environment = {**os.environ, "_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": line}
    environment |= {"COMP_CWORD": str(line.count(" "))}
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout
    assert {"jax", "iree", "scipy", "pandas", "autograd"}.isdisjoint(found.stderr.split())
