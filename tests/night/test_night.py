"""Runs of a night, their places, and those that are not run again."""

import datetime
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import cli
from harness.errors import ConfigError, HarnessError
from harness.night import checks, config, folder
from harness.night.checks import NightCheck, read_check
from harness.night.config import parse_config
from harness.night.folder import NightFolder, begin, find_folder, find_unfinished
from harness.night.run import Budget
from harness.spec.models import model_names
from harness.system.lock import exclusive
from harness.system.notice import note_once
from tests.support.nights import CHECK, NOON
from tests.support.paths import ROOT
from tests.support.stored_cells import store


@pytest.mark.parametrize("name", ["nightly", "weekly"])
def test_every_network_has_its_turn(name: str) -> None:
    found = parse_config((ROOT / "ci" / f"{name}.toml").read_text(), name)
    turns = max(part.rotate for part in found.verify)
    nights = [NOON.date() + datetime.timedelta(days=k) for k in range(turns)]
    names = [{options.model.name for options in found.verifications(night, Path())} for night in nights]
    assert set.union(*names) == set(model_names())
    assert sum(map(len, names)) == len(model_names()) + (turns - 1) * 2 * (turns > 1)  # two networks every night


def test_a_rotation_shares_out_checks_as_well() -> None:
    found = parse_config('[[check]]\nname = "a"\ncommand = ["harness", "compile", "--part", "{part}"]\nrotate = 3', "f")
    words = {command[-1] for k in range(3) for _, command in found.checks(datetime.date(2026, 4, 1 + k), "")}
    assert words == {"1/3", "2/3", "3/3"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"f: nothing to run; expected \[\[verify\]\] or \[\[check\]\]"),
        ("title = ", "f: Invalid value"),
        ("titel = 'x'\n" + CHECK, "f: Object contains unknown field `titel`"),
        ("budget_minutes = 0\n" + CHECK, "f: Expected `float` > 0"),
        ("backends = ['cpu', 'tpu']\n" + CHECK, "f: unknown backend 'tpu'; known are cpu, cuda, rocm"),
        (CHECK + CHECK, "f: two checks are called 'a'. Give each a name of its own."),
        *(
            (f'[[check]]\nname = "{name}"\ncommand = ["python"]', "f: Expected `str` matching regex")
            for name in ("../a", "a\\n", "\N{CYRILLIC SMALL LETTER A}")
        ),
        *(
            (CHECK.replace('"a"', f"'{a}'") + CHECK.replace('"a"', f"'{b}'"), f"f: the checks '{a}' and '{b}' would")
            for a, b in (("a b", "a-b"), ("A", "a"))
        ),
        (
            "[[check]]\nname = 'a'\ncommand = ['rm', '-rf']",
            "its command begins with 'rm', expected `harness` or `python`",
        ),
        ("[[verify]]\nmodels = ['mnist_mpl']", "unknown model 'mnist_mpl'"),
        ("[[verify]]\nmodels = ['mnist_mlp']\nsteps = 0", r"f: Expected `int` >= 1 - at `\$.verify\[0\].steps`"),
        ("require_coverage = 101\n[[verify]]\nmodels = ['mnist_mlp']", r"`float` <= 100.0 - at `\$.require_coverage`"),
        ("[[verify]]\nmodels = ['mnist_mlp', 'mnist_mlp']", "f: mnist_mlp is verified twice"),
        (
            "[[verify]]\nmodels = ['mnist_mlp']\nkeep_states_of = ['phase4']",
            "f: keep_states_of: unknown pipeline 'phase4'; did you mean 'phase3'?",
        ),
    ],
)
def test_a_configuration_that_makes_no_sense_is_one_line(text: str, problem: str) -> None:
    with pytest.raises(HarnessError, match=problem) as caught:
        parse_config(text, "f")
    assert "\n" not in str(caught.value)


def test_a_configuration_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.main, ["nightly", str(tmp_path / "no.toml")])
    assert found.exit_code == 2
    why = "cannot be read: No such file or directory. Expected one such as ci/nightly.toml."
    assert found.output == f"harness: {tmp_path}/no.toml: {why}\n"


def test_backends_of_a_host_replace_those_of_the_file() -> None:
    found = config.override_backends(
        parse_config((ROOT / "ci" / "nightly.toml").read_text(), "f"), ("cuda",), "--backends"
    )
    assert found.backends == ["cuda"]
    with pytest.raises(ConfigError, match="--backends: unknown backend 'tpu'; known are cpu, cuda, rocm"):
        config.override_backends(found, ("cpu", "tpu"), "--backends")


@pytest.mark.parametrize("form", ["backends = [\n  'cpu',\n]\n", "'backends' = ['cpu']\n", ""])
def test_a_night_keeps_its_backends_beside_the_text(tmp_path: Path, form: str) -> None:
    text = f'{form}title = """\nbackends of a title"""\n{CHECK}'
    asked = begin(NightFolder(tmp_path), text, NOON, ("cuda", "rocm"))
    assert asked == NightFolder(tmp_path).read()
    assert (asked.config, asked.parsed.backends) == (text, ["cuda", "rocm"])
    assert asked.parsed.title == "backends of a title"
    assert begin(NightFolder(tmp_path), text, NOON, ("cuda", "rocm")) == asked
    for other in (("cuda",), None):
        with pytest.raises(ConfigError, match="begun with another configuration"):
            begin(NightFolder(tmp_path), text, NOON, other)


def test_a_night_with_other_backends_is_another_night(tmp_path: Path) -> None:
    evening = NightFolder(tmp_path / "2026-03-31")
    evening.path.mkdir()
    begin(evening, CHECK, NOON - datetime.timedelta(hours=14), ("cuda",))
    assert find_folder(tmp_path, CHECK, NOON, ("cuda",)).path == evening.path
    for other in (("cpu",), None):
        assert find_folder(tmp_path, CHECK, NOON, other).path == tmp_path / "2026-04-01"


def test_only_an_interrupted_night_goes_on(tmp_path: Path) -> None:
    hour = datetime.timedelta(hours=1)
    evening = NightFolder(tmp_path / "2026-03-31")
    evening.path.mkdir()
    begin(evening, CHECK, NOON - 14 * hour)
    assert find_folder(tmp_path, CHECK, NOON).path == evening.path
    assert find_folder(tmp_path, CHECK + "\n", NOON).path == tmp_path / "2026-04-01"
    assert find_folder(tmp_path, CHECK, NOON + 20 * hour).path == tmp_path / "2026-04-02"
    evening.verdict.write_text("{}")
    assert find_folder(tmp_path, CHECK, NOON).path == tmp_path / "2026-04-01"


def test_every_night_of_a_day_has_a_folder_of_its_own(tmp_path: Path) -> None:
    texts = [CHECK + "\n" * k for k in range(3)]
    for text, name in zip(texts, ("2026-04-01", "2026-04-01-2", "2026-04-01-3"), strict=True):
        found = find_folder(tmp_path, text, NOON)
        assert found.path == tmp_path / name
        found.path.mkdir()
        begin(found, text, NOON)
    for text, name in zip(texts, ("2026-04-01", "2026-04-01-2", "2026-04-01-3"), strict=True):
        assert find_folder(tmp_path, text, NOON).path == tmp_path / name


def test_a_damaged_night_does_not_end_another(tmp_path: Path) -> None:
    for name, text in (("2026-03-31", b"{"), ("2026-04-01", b'{"config": "\xff"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / folder.PLAN).write_bytes(text)
    assert find_folder(tmp_path, CHECK, NOON).path == tmp_path / "2026-04-01-2"


def test_an_old_night_that_is_over_stays_as_it_is(tmp_path: Path) -> None:
    night = NightFolder(tmp_path)
    begun = begin(night, CHECK, NOON)
    night.verdict.write_text("{}")
    assert begin(night, CHECK, NOON + datetime.timedelta(hours=23)) == begun
    over = rf"the night of 2026-04-01 is over. Choose another --out; `harness report {tmp_path} -o …` makes its"
    with pytest.raises(ConfigError, match=over):
        begin(night, CHECK, NOON + datetime.timedelta(hours=25))


@pytest.mark.parametrize("over", [True, False])
def test_a_night_of_the_future_is_told_and_not_fresh_for_ever(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], over: bool
) -> None:
    day, soon = datetime.timedelta(days=1), datetime.timedelta(minutes=1)
    night = NightFolder(tmp_path / "2026-04-03")
    night.path.mkdir()
    begun = begin(night, CHECK, NOON + 2 * day)
    if over:
        night.verdict.write_text("{}")
    told = r"2026-04-03/night\.json: it was begun at 2026-04-03T12:00:00Z, and now is 2026-04-01T12:00:00Z"
    with pytest.raises(ConfigError, match=rf"{told}\. Set the clock, choose another --out, or remove the folder\."):
        begin(night, CHECK, NOON)
    note_once.cache_clear()
    assert find_folder(tmp_path, CHECK, NOON).path == tmp_path / "2026-04-01"
    assert len(re.findall(rf"{told}; this night is not continued", capfd.readouterr().err)) == (not over)
    assert begin(night, CHECK, NOON + day + soon) == begun  # as far as clocks may differ
    if not over:
        assert find_folder(tmp_path, CHECK, NOON + day + soon).path == night.path


def test_a_beginning_without_time_zone_is_one_line(tmp_path: Path) -> None:
    begin(NightFolder(tmp_path), CHECK, NOON)
    plan = tmp_path / folder.PLAN
    plan.write_text(plan.read_text().replace("12:00:00Z", "12:00:00"))
    with pytest.raises(ConfigError, match="not the plan of a night: Expected `datetime` with a timezone"):
        NightFolder(tmp_path).read()


def test_a_folder_keeps_its_night_and_refuses_another(tmp_path: Path) -> None:
    night = begin(NightFolder(tmp_path), CHECK, NOON)
    assert begin(NightFolder(tmp_path), CHECK, NOON + datetime.timedelta(days=1)) == night
    with pytest.raises(ConfigError, match=r"begun with another configuration. Choose another --out"):
        begin(NightFolder(tmp_path), CHECK + "# more", NOON)
    (tmp_path / folder.PLAN).write_text("{}")
    with pytest.raises(ConfigError, match="not the plan of a night"):
        NightFolder(tmp_path).read()


def test_two_at_once_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(CHECK)
    with exclusive(tmp_path / "n", "never"):
        found = CliRunner().invoke(cli.main, ["nightly", str(path), "--out", str(tmp_path / "n")])
    assert found.exit_code == 2
    assert found.output == f"harness: {tmp_path}/n: this night is running. Wait for it, or choose another --out.\n"


def run(tmp_path: Path, code: str, **keys: object) -> NightCheck:
    part = config.CheckPart(name="a", command=["python", "-c", code], **keys)  # type: ignore[arg-type]
    return checks.run_check(tmp_path / "a.json", part, tuple(part.command))


@pytest.mark.parametrize(
    ("code", "status", "line"),
    [
        ("print('x\\n\\n3 of 3\\nagree')", "PASS", "3 of 3 agree"),
        ("print('1 differs'); raise SystemExit(1)", "FAIL", "1 differs"),
        ("import sys; sys.exit('harness: no such case')", "FAIL", "harness: no such case"),
        ("import sys; print('usage', file=sys.stderr); sys.exit(2)", "INCONCLUSIVE", "exit code 2: usage"),
        ("import os; os.kill(os.getpid(), 9)", "INCONCLUSIVE", "killed by SIGKILL"),
        ("import time; time.sleep(60)", "INCONCLUSIVE", "no end after 0.005 minutes"),
    ],
)
def test_the_end_of_a_check_gives_its_status_and_its_line(tmp_path: Path, code: str, status: str, line: str) -> None:
    limit = 0.005 if "sleep" in code else 1.0
    check = run(tmp_path, code, timeout_minutes=limit)
    assert (check.status, check.line) == (status, line)
    assert read_check(tmp_path / "a.json") == check


def test_a_check_is_kept_until_it_or_the_code_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, part = tmp_path / "a.json", config.CheckPart(name="a", command=["python", "-c", "print(1)"])
    words = tuple(part.command)
    assert checks.kept_check(path, part, words) is None
    done = checks.run_check(path, part, words)
    assert checks.kept_check(path, part, words) == done
    assert checks.kept_check(path, part, (*words, "x")) is None
    checks.not_run(path, part, words, "no time")
    assert checks.kept_check(path, part, words) is None
    path.write_text('{"name"')
    assert checks.kept_check(path, part, words) is None
    checks.run_check(path, part, words)
    monkeypatch.setattr(checks, "code_version", lambda: "another")
    assert checks.kept_check(path, part, words) is None


def test_a_spent_budget_is_said_and_nothing_more_starts(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("backends = ['cpu']\n[[verify]]\nmodels = ['mnist_mlp']\nsteps = 2\ndata = 'synthetic'\n" + CHECK)
    words = [
        "nightly",
        str(path),
        "--out",
        str(tmp_path / "n"),
        "--history",
        str(tmp_path / "h.parquet"),
        "--budget",
        "0",
    ]
    found = CliRunner().invoke(cli.main, words)
    assert found.exit_code == 3, found.output
    verdict = json.loads((tmp_path / "n" / "verdict.json").read_text())
    assert [cell["note"] for cell in verdict["cells"]] == ["refused: not run: the budget of 0 minutes is spent"] * 2
    assert [(check["name"], check["status"]) for check in verdict["checks"]] == [("a", "NOT RUN")]
    assert [pair["compared"]["verdict"]["status"] for pair in verdict["pairs"]] == ["INCONCLUSIVE"]


def test_a_spent_budget_forgets_no_cell_that_has_run(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        "backends = ['cpu']\n[[verify]]\nmodels = ['mnist_mlp']\nsteps = 2\ndata = 'synthetic'\nladder = false"
    )
    places = ["--out", str(tmp_path / "n"), "--history", str(tmp_path / "h.parquet")]
    first = CliRunner().invoke(cli.main, ["nightly", str(path), *places])
    assert first.exit_code == 0, first.output
    traces = {trace: trace.read_bytes() for trace in (tmp_path / "n" / "traces").glob("*.jsonl")}
    assert len(traces) == 2
    again = CliRunner().invoke(cli.main, ["nightly", str(path), *places, "--budget", "0"])
    assert again.exit_code == 0, again.output
    assert {trace: trace.read_bytes() for trace in traces} == traces


def test_a_damaged_history_ends_a_night_before_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(CHECK)
    (tmp_path / "h.parquet").write_bytes(b"junk")
    places = ["--out", str(tmp_path / "n"), "--history", str(tmp_path / "h.parquet")]
    found = CliRunner().invoke(cli.main, ["nightly", str(path), *places])
    assert found.exit_code == 2
    assert "h.parquet: not a history" in found.output
    assert not (tmp_path / "n" / "checks").exists()


def test_a_budget_without_end_refuses_nothing() -> None:
    assert Budget(None).refusal() is None
    assert Budget(None).longest_s() == math.inf


def test_what_starts_within_a_budget_may_exceed_it_by_ten_minutes() -> None:
    assert Budget(5.0).refusal() is None
    assert 60 * 15 - 5 < Budget(5.0).longest_s() <= 60 * 15


def test_what_a_night_did_not_come_to_is_told(tmp_path: Path) -> None:
    text = "backends = ['cpu']\n[[verify]]\nmodels = ['mnist_mlp', 'mnist_cnn']\nsteps = 3\n" + CHECK
    night = begin(NightFolder(tmp_path), text, NOON)
    names = [f"mnist_mlp.{pipeline}-noshuf-cpu" for pipeline in ("phase2", "phase3")]
    cells = [store(tmp_path, pipeline, model="mnist_mlp", steps=3) for pipeline in ("phase2", "phase3")]
    lines = list(find_unfinished(night, cells, (), ["mnist_cnn: no data"]))
    assert {line.partition(":")[0] for line in lines} == {
        *(f"{name}{kind}" for name in names for kind in (".f64", ".stressed", ".f64.stressed")),
        "check a",
    }
    assert "check a: not run: the night did not come to it" in lines
    told = {line.partition(":")[0] for line in find_unfinished(night, cells[:1], {"a"}, ())}
    assert told == {names[1], "mnist_cnn.phase2-noshuf-cpu", "mnist_cnn.phase3-noshuf-cpu"}


def test_a_lockstep_run_that_is_missing_is_told(tmp_path: Path) -> None:
    night = begin(NightFolder(tmp_path), ON_THE_CPU, NOON)
    losses = [2.0] * 20
    cells = [store(tmp_path, pipeline, losses, model="mnist_mlp", steps=20) for pipeline in ("phase2", "phase3")]
    (line,) = find_unfinished(night, cells, (), [])
    assert line == "mnist_mlp.phase3-noshuf-cpu.follows-phase2: not run: the night did not come to it"
    facts = {"model": "mnist_mlp", "steps": 20, "evidence": True, "follows": "phase2", "segment": 8}
    cells.append(store(tmp_path, "phase3", losses, **facts))
    assert list(find_unfinished(night, cells, (), [])) == []


ON_THE_CPU = "backends = ['cpu']\n[[verify]]\nmodels = ['mnist_mlp']\nsteps = 20\nladder = false\n"
ALSO_ON_VULKAN = ON_THE_CPU + "also_on = ['vulkan']\n"


def test_a_backend_of_one_part_is_tried_and_its_absence_is_no_problem(tmp_path: Path) -> None:
    night = begin(NightFolder(tmp_path), ALSO_ON_VULKAN, NOON)
    (verification,) = night.parsed.verifications(NOON.date(), tmp_path)
    planned = [(cell.pipeline, cell.backend, asked) for cell, asked in verification.planned_cells()]
    assert planned == [("phase2", "cpu", True), ("phase3", "cpu", True), ("phase3", "vulkan", False)]
    losses = [2.0] * 20
    about: dict[str, Any] = {"model": "mnist_mlp", "steps": 20}
    cells = [store(tmp_path, pipeline, losses, **about) for pipeline in ("phase2", "phase3")]
    cells.append(store(tmp_path, "phase3", losses, evidence=True, follows="phase2", segment=8, **about))
    missing = ["mnist_mlp.phase3-noshuf-vulkan", "mnist_mlp.phase3-noshuf-vulkan.follows-phase3-cpu"]
    assert [line.partition(":")[0] for line in find_unfinished(night, cells, (), [])] == missing
    lacking = {"backend": "vulkan", "absent": True, "asked": False, "status": "refused"}
    cells.append(store(tmp_path, "phase3", (), **lacking, **about))
    assert list(find_unfinished(night, cells, (), [])) == []


def test_backends_of_a_host_replace_those_of_one_part() -> None:
    found = config.override_backends(parse_config(ALSO_ON_VULKAN, "f"), ("cuda",), "--backends")
    assert [part.also_on for part in found.verify] == [[]]
    with pytest.raises(ConfigError, match=r"^f: unknown backend 'metal'; known are cpu,"):
        parse_config(ALSO_ON_VULKAN.replace("vulkan", "metal"), "f")


def test_a_cell_of_another_length_is_not_the_one_that_a_night_planned(tmp_path: Path) -> None:
    text = "backends = ['cpu']\n[[verify]]\nmodels = ['mnist_mlp']\nsteps = 3\nladder = false\n"
    night = begin(NightFolder(tmp_path), text, NOON)
    cells = [store(tmp_path, pipeline, model="mnist_mlp", steps=steps) for pipeline, steps in STEPS.items()]
    (line,) = find_unfinished(night, cells, (), [])
    assert line == "mnist_mlp.phase3-noshuf-cpu: not run: the night did not come to it"


STEPS = {"phase2": 3, "phase3": 20}
