"""All pairs of many traces: the same whatever judges them, bounded in what is kept and told."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import cli
from harness.report import tally
from harness.report.tally import Tally, render
from harness.verdict.compare import Judging
from harness.verdict.pair import agreed_steps, judge_recordings
from tests.support.many_traces import FALLING, traces
from tests.support.sample_traces import recording, write
from tests.support.schemas import violation

ROOT = Path(__file__).parents[2]


def files(folder: Path, count: int, wrong: int) -> list[str]:
    sides = traces(count, wrong)
    return [str(write(folder / side.trace.path, side.trace.loss.tolist())) for side in sides]


def diff(*words: str) -> Result:
    return CliRunner().invoke(cli.main, ["diff", *words])


@pytest.fixture
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is many, and what is kept, is less than usual."""
    for name, value in (("MANY", 10), ("SENTENCES", 3), ("FIRST", 2), ("FURTHEST", 4), ("_BLOCK", 7)):
        monkeypatch.setattr(tally, name, value)


@pytest.mark.usefixtures("few_pairs")
def test_it_counts_what_the_rows_say() -> None:
    sides = traces(8, 5)
    rows = [judge_recordings(a, b, Judging()) for a, b in itertools.combinations(sides, 2)]
    found = tally.tally(sides, Judging())
    assert found.codes == {0: 21, 1: 7}
    assert found.exit_code == 1
    assert found.blamed.most_common(1) == [(5, 7)]
    names = [row.name for row in rows if row.verdict is not None and row.verdict.status == "FAIL"]
    assert [told.partition(": ")[0] for _, told in found.differ] == names[:3]
    sizes = [row.comparison.numbers.max or 0 for row in rows if row.comparison and row.comparison.numbers]
    assert [size for size, _, _ in found.furthest] == sorted(sizes, reverse=True)[:4]
    text = str(render(found, sides, Judging()))
    assert text.count("smallest tolerance that passes") == 2
    assert "and 4 more differ" in text
    assert "t05.jsonl is in 7 of the 7 pairs that differ" in text
    last = text.splitlines()[-1]
    assert last == f"7 of 28 pairs differ; 0 are inconclusive; 21 agree{agreed_steps(rows)}."


# In processes of their own, as the differ is: one that has JAX's threads is not to be copied.
IN_PROCESSES = """
import os, sys
from harness.report import tally
from harness.verdict.compare import Judging
from tests.support.many_traces import traces
tally._BLOCK = 7
found, judges = [], []
judge = tally._judge
for processors in (1, 3):
    tally.usable_processors = lambda: processors
    tally._judge = lambda *words: judges.append(os.getpid()) or judge(*words)
    found.append(tally.tally(traces(9, 2), Judging()))
print(found[0] == found[1], found[0].codes.total(), len(judges), "jax" in sys.modules)
"""
KILLED = """
import os, signal
from harness.errors import HarnessError
from harness.report import tally
from harness.verdict.compare import Judging
from tests.support.many_traces import traces
tally._BLOCK = 7
tally.usable_processors = lambda: 2
tally.judge_recordings = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
try:
    tally.tally(traces(9, 2), Judging())
except HarnessError as error:
    print(error)
"""


def in_a_process(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_several_processes_find_the_same_as_one() -> None:
    assert in_a_process(IN_PROCESSES).split() == ["True", "36", "6", "False"], (
        "the six blocks of the first were judged here"
    )


def test_a_process_that_is_killed_is_told_in_a_line() -> None:
    assert "9 traces: a process that compares them was killed" in in_a_process(KILLED)


@pytest.mark.usefixtures("few_pairs")
def test_a_difference_that_is_no_number_is_the_furthest() -> None:
    sides = [*traces(5, 9), recording([math.nan, *FALLING[1:]], path="nan.jsonl")]
    found = tally.tally(sides, Judging())
    assert all(row[0].endswith(" vs nan") for _, _, row in found.furthest)
    assert found.furthest[0][0] == math.inf


def test_nothing_to_count_is_inconclusive() -> None:
    assert Tally().exit_code == 3


@pytest.mark.usefixtures("few_pairs")
def test_the_differ_tells_of_many_pairs_what_fits(tmp_path: Path) -> None:
    paths = files(tmp_path, 8, 5)
    found = diff(*paths)
    assert found.exit_code == 1
    assert "7 of 28 pairs differ" in found.output
    assert found.output.count(" vs ") < 28
    assert diff(*files(tmp_path, 8, 99)).exit_code == 0


@pytest.mark.usefixtures("few_pairs")
def test_other_forms_of_many_pairs_have_all_of_them(tmp_path: Path) -> None:
    paths = files(tmp_path, 8, 5)
    as_json = diff(*paths, "--format", "json")
    document = json.loads(as_json.output)
    assert violation(document, "diff") is None
    assert (len(document["pairs"]), document["exit_code"], as_json.exit_code) == (28, 1, 1)
    assert len(as_json.output.splitlines()) == 28 + 2
    markdown = diff(*paths, "--format", "markdown")
    assert (markdown.output.count("### "), markdown.exit_code) == (28, 1)
    whole = diff(*paths, "--verbose")
    assert (whole.output.count("smallest tolerance that passes"), whole.exit_code) == (28, 1)


@pytest.mark.usefixtures("few_pairs")
def test_a_trace_that_cannot_be_read_is_told_and_the_others_compared(tmp_path: Path) -> None:
    paths = [*files(tmp_path, 8, 99), str(tmp_path / "none.jsonl")]
    found = diff(*paths)
    assert found.exit_code == 2
    assert "none.jsonl" in found.output
    assert "0 of 28 pairs differ" in found.output
    assert json.loads(diff(*paths, "--format", "json").stdout)["exit_code"] == 2


def test_a_page_of_too_many_pairs_is_refused_before_anything_is_read() -> None:
    found = diff(*[f"t{n}" for n in range(70)], "--html", "p.html")
    assert found.exit_code == 2
    assert "--html has room for 2,000 pairs; 70 traces have more. Name fewer." in found.output
