"""Networks in files in a night: found beside the configuration, each failing alone, and never loaded for a report."""

import datetime
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.night.checks import fingerprint
from harness.night.config import CheckPart, NightConfig, parse_config
from harness.night.folder import NightFolder, begin, find_unfinished
from harness.run.verification import Verification
from harness.spec import network_file
from harness.trace.planned import read_planned, write_planned
from tests.support.own_network import NETWORK, write
from tests.support.stored_cells import store

pytestmark = pytest.mark.usefixtures("no_network_file_yet")

DATE = datetime.date(2026, 11, 27)
NOON = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)
TEXT = """backends = ['cpu']
[[verify]]
models = ['nets/mine.py', 'mnist_mlp', 'nets/gone.py', 'nets/wrong.py']
steps = 3
ladder = false
"""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A folder for a configuration, with files of networks and the folder of a night."""
    for name in ("nets", "night"):
        (tmp_path / name).mkdir()
    write(tmp_path / "nets", "mine", NETWORK)
    write(tmp_path / "nets", "wrong", "1 / 0\n")
    return tmp_path


def test_files_lie_relative_to_the_configuration_and_fail_alone(configured: Path) -> None:
    broken: list[str] = []
    found = parse_config(TEXT, "n.toml", configured).verifications(DATE, Path(), broken)
    assert [one.model.source for one in found] == [str(configured / "nets" / "mine.py"), "mnist_mlp"]
    assert [line.partition(": ")[0] for line in broken] == ["gone", "wrong"]
    assert broken[0].startswith(f"gone: {configured}/nets/gone.py: no such file. ")
    assert broken[1] == f"wrong: {configured}/nets/wrong.py:1: ZeroDivisionError: division by zero. Correct the file."


def test_whoever_only_reads_of_a_night_loads_no_file(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(configured)  # where the paths of the configuration lead to files
    write(configured / "nets", "mine", "raise SystemExit('loaded')\n")
    night = begin(NightFolder(configured / "night"), TEXT, NOON)
    assert [one.model.name for one in night.parsed.verifications(night.night, Path())] == ["mnist_mlp"]
    assert not network_file._FILES


def test_a_rotation_counts_the_files_too(configured: Path) -> None:
    text = "[[verify]]\nrotate = 2\nmodels = ['nets/mine.py', 'mnist_mlp', 'cifar_cnn']\nsteps = 3\n"
    config, days = parse_config(text, "n.toml", configured), [DATE, DATE + datetime.timedelta(1)]
    names = [[one.model.name for one in _verifications(config, day)] for day in days]
    assert sorted(names) == [["mine", "cifar_cnn"], ["mnist_mlp"]]


def _verifications(config: NightConfig, night: datetime.date) -> list[Verification]:
    return config.verifications(night, Path(), [])


def test_one_file_twice_is_refused(configured: Path) -> None:
    text = "[[verify]]\nmodels = ['nets/mine.py', 'nets/../nets/mine.py']\n"
    with pytest.raises(ConfigError, match=r"^n\.toml: mine is verified twice"):
        parse_config(text, "n.toml", configured)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models = ['mnist_mpl']", "f: unknown model 'mnist_mpl'; did you mean 'mnist_mlp'? Known are "),
        ("models = ['mnist_mlp']\nprofiles = ['sharde']", "f: unknown profile 'sharde'; did you mean 'shared'? Known"),
        ("models = ['mnist_mlp']\ndtypes = ['f32', 'f16']", "f: unknown dtype 'f16'"),
    ],
)
def test_a_misspelt_choice_is_told_with_the_nearest(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"[[verify]]\n{text}\n", "f")
    assert str(caught.value).startswith(said)


def test_what_the_runs_of_a_file_did_not_come_to_is_told_by_their_plan(configured: Path) -> None:
    night = begin(NightFolder(configured / "night"), TEXT.replace("'mnist_mlp', ", ""), NOON)
    traces = configured / "night" / "traces"
    problems = ["gone: no such file", "wrong.b2: no data"]
    (line,) = find_unfinished(night, (), (), problems, read_planned(traces))
    assert line == "mine in f32, profile shared: not run: the night did not come to it"
    cells = [store(traces, pipeline, model="mine", steps=3) for pipeline in ("phase2", "phase3")]
    write_planned(traces, "mine", [cell.facts for cell in cells])
    assert list(find_unfinished(night, cells, (), problems, read_planned(traces))) == []
    (line,) = find_unfinished(night, cells[:1], (), problems, read_planned(traces))
    assert line == "mine.phase3-noshuf-cpu: not run: the night did not come to it"


def test_a_check_is_run_again_when_the_file_that_it_names_has_changed(configured: Path) -> None:
    path = str(configured / "nets" / "mine.py")
    command = ["harness", "oracle", path]
    part = CheckPart(name="a", command=command)
    first = fingerprint(part, command)
    assert fingerprint(part, command) == first
    write(configured / "nets", "mine", NETWORK + "# another\n")
    assert fingerprint(part, command) != first
