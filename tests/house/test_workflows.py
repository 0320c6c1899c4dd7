"""The workflows: linted, what they call exists, the scripts beside them, and the merge of two hosts run for real."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main
from tests.support.paths import ROOT
from tests.support.stored_cells import store

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[str, Any]] = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
JOBS = [(name, job, what) for name, workflow in WORKFLOWS.items() for job, what in workflow["jobs"].items()]
STEPS = [(f"{name}: {job}", step) for name, job, what in JOBS for step in what["steps"]]
SCRIPTS = {f"{where}: {step['name']}": step["run"] for where, step in STEPS if "run" in step}
TOOLS = Path(sys.executable).parent  # of the environment that the tests run in
LINTERS = {"jactionlint": ("--no-online",), "zizmor": ("--offline", "--quiet")}


def lint(linter: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}  # where shellcheck is
    command = [str(TOOLS / linter), *LINTERS[linter], str(path)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_there_are_workflows_for_a_change_and_for_a_night() -> None:
    assert set(WORKFLOWS) == {"ci.yml", "nightly.yml"}
    assert set(WORKFLOWS["ci.yml"][True]) == {"pull_request", "push"}  # to YAML, `on` is true
    assert set(WORKFLOWS["nightly.yml"][True]) == {"schedule", "workflow_dispatch"}  # nobody's else on our own hosts


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_find_nothing(linter: str, name: str) -> None:
    done = lint(linter, FOLDER / name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shellcheck was not found" not in done.stderr


@pytest.mark.parametrize(
    ("linter", "old", "new"),
    [
        ("jactionlint", "needs: rows", "needs: nobody"),
        ("jactionlint", "outputs.present }}", "outputs.presents }}"),
        ("jactionlint", 'cron: "17 2 * * *"', 'cron: "17 25 * * *"'),
        ("jactionlint", '"${bundles[@]}"', "${bundles[@]}"),
        ("zizmor", "de0fac2e4500dabe0009e67214ff5f5447ce83dd", "main"),
        ("zizmor", "persist-credentials: false", "fetch-depth: 1"),
        ("zizmor", 'echo "$LINE" >>', 'echo "${{ github.head_ref }}" >>'),
        ("zizmor", "permissions: {}", "permissions: write-all"),
    ],
)
def test_the_linters_find_what_is_injected(tmp_path: Path, linter: str, old: str, new: str) -> None:
    text = (FOLDER / "nightly.yml").read_text()
    assert old in text
    path = tmp_path / ".github" / "workflows" / "nightly.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new))
    assert lint(linter, path).returncode != 0


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_is_bash(script: str) -> None:
    assert "${{" not in script  # what comes from outside is a variable, never text of the script
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def commands(program: str) -> Iterator[list[str]]:
    """The words behind a program's name, wherever a script calls it."""
    for script in SCRIPTS.values():
        for line in script.replace("\\\n", " ").splitlines():
            if found := re.match(rf"(?:\S*/)?{re.escape(program)}(?= |$)(?P<words>[^|>&;]*)", line.strip()):
                yield shlex.split(found["words"])


def test_every_target_of_make_exists() -> None:
    called = list(commands("make"))
    assert {words[0] for words in called} >= {"setup", "test", "verify"}
    for words in called:
        done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_verb_and_option_exists() -> None:
    nightly = [["nightly", *words] for words in commands("ci/nightly.sh")]
    called = [*commands("harness"), *nightly]
    assert {words[0] for words in called} == {"export", "import", "report", "nightly"}
    for verb, *words in called:
        known = {option for parameter in main.commands[verb].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, verb
    for words in nightly:
        assert (ROOT / words[1]).is_file()


def test_every_script_file_exists() -> None:
    called = {path for script in SCRIPTS.values() for path in re.findall(r"\bci/[a-z_]+\.(?:py|sh)", script)}
    assert called == {"ci/nightly.sh", "ci/rows.py", "ci/await_rows.py"}
    assert all((ROOT / path).is_file() for path in called)


@pytest.mark.parametrize(("name", "job", "what"), JOBS, ids=[f"{name}: {job}" for name, job, _ in JOBS])
def test_every_job_ends_and_may_do_little(name: str, job: str, what: dict[str, Any]) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert what["timeout-minutes"] <= 240
    allowed = {"contents": "read"} | ({"actions": "read"} if job == "report" else {})
    assert what["permissions"].items() <= ({"actions": "write"} if job == "abandon" else allowed).items()
    uses = [step["uses"] for step in what["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", action) for action in uses)


def test_the_report_does_not_need_a_row_whose_runner_may_go_away() -> None:
    jobs = WORKFLOWS["nightly.yml"]["jobs"]
    assert jobs["report"]["needs"] == ["rows", "cpu"]
    assert jobs["report"]["if"] == "always()"
    assert "self-hosted" in jobs["gpu"]["runs-on"]
    assert [job for job, what in jobs.items() if "self-hosted" in what["runs-on"]] == ["gpu"]


def fake_gh(folder: Path, answers: dict[str, Any]) -> dict[str, str]:
    """An environment whose `gh api` gives answers by the end of the address, in turn where there are several."""
    folder.mkdir()
    (folder / "answers.json").write_text(json.dumps(answers))
    gh = folder / "gh"
    gh.write_text(
        f"""#!{sys.executable}
import json, pathlib, sys
path = pathlib.Path({str(folder / "answers.json")!r})
answers = json.loads(path.read_text())
assert sys.argv[1] == "api"
found = next((key for key in answers if sys.argv[2].startswith(key)), None)
if found is None:
    sys.exit("HTTP 403")
print(json.dumps(answers[found][0]))
answers[found] = answers[found][1:] or answers[found]
path.write_text(json.dumps(answers))
"""
    )
    gh.chmod(0o755)
    return os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "GITHUB_REPOSITORY": "us/it"}


def outputs(script: str, environment: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, str(ROOT / "ci" / script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def runner(status: str, *labels: str) -> dict[str, Any]:
    return {"status": status, "labels": [{"name": label} for label in labels]}


@pytest.mark.parametrize(
    ("runners", "present", "reason"),
    [
        ([runner("online", "self-hosted", "Linux", "CUDA")], ["cuda"], "no self-hosted runner with label rocm"),
        ([runner("offline", "self-hosted", "cuda")], [], "no self-hosted runner with label cuda is online"),
        ([runner("online", "self-hosted"), runner("online", "cuda")], [], "no self-hosted runner with label cuda"),
        ([runner("online", "self-hosted", name) for name in ("rocm", "cuda")], ["cuda", "rocm"], None),
        ([], [], "no self-hosted runner with label cuda is online"),
    ],
)
@pytest.mark.parametrize("place", ["repos/us/it", "orgs/us"])
def test_a_row_runs_when_a_runner_with_its_label_is_online(
    tmp_path: Path, place: str, runners: list[Any], present: list[str], reason: str | None
) -> None:
    gh = fake_gh(tmp_path / "bin", {f"{place}/actions/runners": [{"runners": runners}]})
    found = outputs("rows.py", gh | {"GH_TOKEN": "x"})
    assert json.loads(found["present"]) == present
    absent = json.loads(found["absent"])
    assert [row["backend"] for row in absent] == [name for name in ("cuda", "rocm") if name not in present]
    assert reason is None or reason in absent[0]["reason"]


def test_without_the_secret_or_with_a_bad_one_no_row_runs_and_each_says_why(tmp_path: Path) -> None:
    gh = fake_gh(tmp_path / "bin", {})
    for token, reason in (("", "RUNNERS_TOKEN is not set"), ("expired", "cannot be listed")):
        found = outputs("rows.py", gh | {"GH_TOKEN": token})
        assert found["present"] == "[]"
        assert [reason in row["reason"] for row in json.loads(found["absent"])] == [True, True]


LONG_AGO, SOON = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def job(name: str, status: str, created: str = LONG_AGO) -> dict[str, str]:
    return {"name": name, "status": status, "created_at": created}


@pytest.mark.parametrize(
    ("answers", "abandoned", "looked"),
    [
        ([[job("night on cuda", "completed"), job("night on cpu", "queued")]], "", 1),
        ([[job("night on cuda", "in_progress")], [job("night on cuda", "completed")]], "", 2),
        ([[job("night on cuda", "queued", SOON)], [job("night on cuda", "in_progress")], []], "", 3),
        ([[job("night on cuda", "queued")]], "cuda", 1),
        (
            [[job("night on cuda", "queued"), job("night on rocm", "in_progress")], [job("night on cuda", "queued")]],
            "cuda",
            2,
        ),
    ],
)
def test_a_row_that_runs_is_waited_for_and_one_that_nobody_takes_is_not(
    tmp_path: Path, answers: list[Any], abandoned: str, looked: int
) -> None:
    jobs = [{"jobs": answer} for answer in answers]
    gh = fake_gh(
        tmp_path / "bin", {"repos/us/it/actions/runs/7/attempts/1/jobs": [*jobs, {"jobs": "looked too often"}]}
    )
    gh |= {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1", "QUEUE_MINUTES": "30", "POLL_SECONDS": "0"}
    absent = '[{"backend": "vulkan", "reason": "nobody has one"}]'
    found = outputs("await_rows.py", gh | {"PRESENT": '["cuda", "rocm"]', "ABSENT": absent})
    assert found["abandoned"] == abandoned
    skipped = "vulkan (nobody has one)"
    assert found["skipped"] == (f"{skipped}, cuda (no runner took it)" if abandoned else skipped)
    (left,) = json.loads((tmp_path / "bin" / "answers.json").read_text()).values()
    assert len(left) == 1 + len(answers) - looked


def test_no_row_is_nothing_to_wait_for(tmp_path: Path) -> None:
    gh = fake_gh(tmp_path / "bin", {}) | {"QUEUE_MINUTES": "30"}
    for empty in ("", "[]"):
        assert outputs("await_rows.py", gh | {"PRESENT": empty, "ABSENT": empty}) == {
            "abandoned": "",
            "skipped": "nothing",
        }


def step(job: str, name: str) -> dict[str, Any]:
    steps = WORKFLOWS["nightly.yml"]["jobs"][job]["steps"]
    (found,) = [step for step in steps if step.get("name") == name]
    return dict(found)


def run_step(job: str, name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A step's script, as a runner runs it, in a folder that has the environment of `make setup`."""
    if not (folder / ".venv").exists():
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "harness").symlink_to(TOOLS / "harness")
    files = {name: str(folder / name.lower()) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(job, name)["run"]],
        cwd=folder,
        env=os.environ | files | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_cells_of_two_hosts_become_one_report_with_pairs_across_hosts(tmp_path: Path) -> None:
    bundles = tmp_path / "merge" / "bundles"
    bundles.mkdir(parents=True)
    for backend, job in (("cpu", "cpu"), ("cuda", "gpu"), ("rocm", "gpu")):
        host = tmp_path / backend
        for pipeline in ("phase2", "phase3"):
            store(host / "night" / "traces", pipeline, backend=backend, host=f"the host of {backend}")
        packed = run_step(job, "Pack the cells", host, BACKEND=backend)
        assert packed.returncode == 0, packed.stderr
        (host / f"cells-{backend}.tar.gz").rename(bundles / f"cells-{backend}.tar.gz")
    done = run_step("report", "Merge", tmp_path / "merge", SKIPPED="vulkan (nobody has one)")
    assert done.returncode == 0, done.stderr
    verdict = json.loads((tmp_path / "merge" / "report" / "verdict.json").read_text())
    summary = (tmp_path / "merge" / "github_step_summary").read_text()
    assert summary.startswith("Skipped: vulkan (nobody has one).\n")
    assert "phase3-cuda vs phase3-rocm" in summary
    assert "cross-vendor" in json.dumps(verdict)
    code = dict(line.split("=") for line in (tmp_path / "merge" / "github_output").read_text().splitlines())["code"]
    assert code == "0"
    said = run_step("report", "Say what the report says", tmp_path / "merge", CODE=code)
    assert said.returncode == 0


def test_a_night_that_left_no_cells_fails_and_says_so(tmp_path: Path) -> None:
    done = run_step("report", "Merge", tmp_path, SKIPPED="")
    assert done.returncode == 1
    assert "No host left any cells." in (tmp_path / "github_step_summary").read_text()


def test_the_readme_of_ci_names_jobs_labels_secrets_and_time_limits() -> None:
    readme = (ROOT / "ci" / "README.md").read_text()
    nightly = (FOLDER / "nightly.yml").read_text()
    for name in {*re.findall(r"secrets\.(\w+)", nightly), "cuda", "rocm", "self-hosted", *WORKFLOWS}:
        assert f"`{name}`" in readme
    assert f"{step('report', 'Wait for the GPU rows')['env']['QUEUE_MINUTES']} minutes" in readme
