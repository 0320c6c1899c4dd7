"""What a strict type checker knows of the doors that Python code and tests go through."""

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

USES = {
    "frame": ("import harness", "harness.read_trace('a.jsonl', allow_truncated=True)", "pandas.DataFrame"),
    "agreeing": (
        "from harness.pytest_plugin import AssertTracesAgree, assert_traces_agree\n\n"
        "fixture: AssertTracesAgree = assert_traces_agree",
        "fixture('a', 'b', mode='strict', steps=3).status",
        "'PASS'",
    ),
    "referenced": (
        "from harness.pytest_plugin import TraceReference\n\nfixture: TraceReference",
        "fixture('a', name='mlp', mode='strict', steps=3).status",
        "'PASS'",
    ),
}


def test_a_strict_type_checker_knows_what_users_are_given(tmp_path: Path) -> None:
    """All in one process, with the cache of `make test`: most of its time goes into what they import."""
    for name, (before, expression, _) in USES.items():
        (tmp_path / f"{name}.py").write_text(f"{before}\n\nreveal_type({expression})\n")
    words = [sys.executable, "-m", "mypy", "--strict", *(str(tmp_path / f"{name}.py") for name in USES)]
    found = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, check=False)
    assert found.returncode == 0, found.stdout
    told = found.stdout.replace("pandas.core.frame.", "pandas.").splitlines()
    for name, (_, _, kind) in USES.items():
        (line,) = (line for line in told if f"{name}.py:" in line)
        assert "Revealed type is" in line
        assert kind in line
