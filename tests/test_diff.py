import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.diff import main
from harness.errors import TraceError
from harness.trace import recording
from harness.trace.logs.keys import LogKeys
from harness.trace.manifest import Manifest, write_manifest
from harness.trace.recording import Recording, read_recordings
from tests.support.paths import ROOT
from tests.support.sample_traces import lines, text, write

FALLING = [2.0 / (k + 1) for k in range(20)]


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def process(*arguments: object, **keys) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.diff", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, **keys)


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    return write(tmp_path / "a.jsonl", FALLING), write(tmp_path / "b.jsonl", [x + 1e-7 for x in FALLING])


def reference(name: str) -> Path:
    folder = os.environ.get("HARNESS_REFERENCE_TRACES")
    if not folder:
        pytest.skip("HARNESS_REFERENCE_TRACES does not name the folder of the two published traces")
    return Path(folder) / f"mnist_mlp.phase3-noshuf-{name}.jsonl"


def test_the_published_pair_has_its_published_numbers():
    found = diff(reference("rocm"), reference("cuda"), "--format", "json")
    assert found.exit_code == 0
    (row,) = json.loads(found.stdout)["pairs"]
    numbers = row["numbers"]
    shown = [f"{numbers[key]:.2e}" if numbers[key] else "0" for key in ("step_1", "step_2", "median", "max")]
    assert shown == ["0", "0", "1.51e-03", "7.79e-02"]
    assert row["a"]["print_resolution"] == row["b"]["print_resolution"] == 1e-6
    assert numbers["compared"] == 5616
    assert row["verdict"]["unreached"] == [
        "data",
        "ladder",
        "wide",
        "stress",
        "envelope",
        "lockstep",
        "states",
        "accuracy",
    ]


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_published_pair_as_people_read_it(form):
    printed = diff(reference("rocm"), reference("cuda"), "--format", form).stdout
    cells = [[cell.strip() for cell in re.split(r"\s\s+|\|", line) if cell.strip()] for line in printed.splitlines()]
    values = {row[0]: row[1] for row in cells if len(row) > 1}
    assert [values[name] for name in ("step 1", "step 2", "median", "max")] == ["0", "0", "1.51e-03", "7.79e-02"]
    assert printed.count("print resolution 1e-6") == 2


def test_the_published_pair_does_not_pass_step_by_step():
    found = diff(reference("rocm"), reference("cuda"), "--all-steps", "--format", "json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["pairs"][0]["verdict"]["place"] == "step 274"


def test_it_starts_without_the_heavy_packages(pair):
    program = (
        f"import sys; sys.argv[1:] = {list(map(str, pair))}\n"
        "from harness.diff import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True)
    imported = set(found.stderr.split())
    assert {"numpy", "msgspec", "harness"} <= imported
    heavy = {"jax", "jaxlib", "iree", "pandas", "pyarrow", "rich", "scipy", "flax", "jinja2", "plotly", "PIL", "ssl"}
    assert imported.isdisjoint(heavy)


def test_the_module_is_a_program(pair):
    a, b = pair
    found = process(a, b)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[-1].startswith("PASS on 8 of 20 steps: ")
    found = process(a, a.parent / "none.jsonl")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == f"{a.parent}/none.jsonl:1: cannot be read: No such file or directory.\n"


# ---- exit codes


def test_exit_codes_tell_agreement_difference_and_nothing_to_compare(tmp_path, pair):
    a, b = pair
    far = write(tmp_path / "far.jsonl", [x + 1 for x in FALLING])
    short = write(tmp_path / "short.jsonl", FALLING[:10])
    header_only = write(tmp_path / "empty.jsonl", [])
    assert diff(a, b).exit_code == 0
    assert diff(a, far).exit_code == 1
    assert diff(a, short).exit_code == 3
    assert diff(header_only, header_only).exit_code == 3
    assert diff(a, short, "--steps", 10).exit_code == 0
    assert diff(a, short, "--steps", 11).exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.jsonl"],
        ["A", "B", "--mode", "loose"],
        ["A", "B", "--format", "html"],
        ["A", "B", "--window", "0"],
        ["A", "B", "--steps", "0"],
        ["A", "B", "--steps", "many"],
        ["A", "B", "--window", "8", "--all-steps"],
        ["A", "B", "--unknown"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_exit_code_2_and_one_line_on_stderr(pair, arguments):
    places = dict(zip("AB", map(str, pair), strict=True))
    found = diff(*[places.get(argument, argument) for argument in arguments])
    assert found.exit_code == 2
    assert found.stdout == ""
    assert re.fullmatch(r"harness: [^\n]+ See `diff --help`\.\n", found.stderr), found.stderr


def test_help_names_modes_and_exit_codes():
    printed = diff("--help").stdout
    for word in ("bitwise", "strict", "cross-gpu", "cross-comp", "--window", "--all-steps", "inconclusive"):
        assert word in printed


# ---- modes and windows


@pytest.mark.parametrize(
    ("delta", "passing"),
    [(0.0, 4), (5e-5, 3), (5e-4, 2), (5e-3, 1), (5e-1, 0)],
)
def test_a_stricter_mode_passes_no_more_than_a_looser_one(tmp_path, delta, passing):
    a = write(tmp_path / "a.jsonl", [0.01] * 8)
    b = write(tmp_path / "b.jsonl", [0.01 + delta] * 8)
    codes = [diff(a, b, f"--mode={mode}").exit_code for mode in ("cross-comp", "cross-gpu", "strict", "bitwise")]
    assert codes == [0] * passing + [1] * (4 - passing)


def test_the_window_is_eight_steps_unless_told(tmp_path):
    a = write(tmp_path / "a.jsonl", [1.0] * 20)
    b = write(tmp_path / "b.jsonl", [1.0] * 7 + [1.05, 1.09, 1.25] + [1.0] * 10)
    found = diff(a, b, "--format", "json")
    numbers = json.loads(found.stdout)["pairs"][0]["numbers"]
    assert (found.exit_code, numbers["judged"], numbers["compared"]) == (0, 8, 20)
    assert "the first 8 of 20 compared steps" in diff(a, b).stdout
    assert diff(a, b, "--window", 9).exit_code == 0
    assert diff(a, b, "--window", 10).exit_code == 1
    assert diff(a, b, "--all-steps").exit_code == 1
    assert diff(a, b, "--all-steps", "--steps", 9).exit_code == 0
    assert diff(a, b, "--mode", "bitwise").exit_code == 1
    first = next(line for line in diff(a, b).stdout.splitlines() if line.startswith("first beyond"))
    assert first.split()[3:5] == ["2.50e-01", "10"]


# ---- more than two files


def test_all_pairs_of_several_files(tmp_path, pair):
    a, b = pair
    far = write(tmp_path / "far.jsonl", [x + 1 for x in FALLING])
    found = diff(a, b, far)
    assert found.exit_code == 1
    assert [line.split("  ")[0] for line in found.stdout.splitlines()[2:5]] == ["a vs b", "a vs far", "b vs far"]
    pairs = json.loads(diff(a, b, far, "--format", "json").stdout)["pairs"]
    assert [(row["pair"], row["verdict"]["status"]) for row in pairs] == [
        ("a vs b", "PASS"),
        ("a vs far", "FAIL"),
        ("b vs far", "FAIL"),
    ]


def test_the_worst_pair_gives_the_exit_code(tmp_path, pair):
    a, b = pair
    far = write(tmp_path / "far.jsonl", [x + 1 for x in FALLING])
    short = write(tmp_path / "short.jsonl", FALLING[:5])
    assert diff(a, b, short).exit_code == 3
    assert diff(a, short, far).exit_code == 1
    found = diff(a, far, tmp_path / "none.jsonl", b)
    assert found.exit_code == 2
    assert found.stderr.count("\n") == 1
    assert "a vs far" in found.stdout
    assert json.loads(diff(a, tmp_path / "none.jsonl", "--format", "json").stdout) == {
        "diff_version": 2,
        "pairs": [],
        "exit_code": 2,
    }


# ---- files


def test_compressed_and_plain_traces_compare(tmp_path, pair):
    packed = tmp_path / "c.jsonl.gz"
    packed.write_bytes(gzip.compress(pair[0].read_bytes()))
    assert diff(pair[0], packed, "--mode", "bitwise").exit_code == 0


def test_the_manifest_beside_a_trace_counts(tmp_path, pair):
    a, b = pair
    beside = tmp_path / "b.manifest.json"
    write_manifest(beside, Manifest(status="timed-out", reason="no step for 60 s", steps_written=20))
    found = diff(a, b, "--format", "json")
    assert found.exit_code == 3
    verdict = json.loads(found.stdout)["pairs"][0]["verdict"]
    assert (verdict["status"], verdict["gate"]) == ("INCONCLUSIVE", "complete")
    assert "no step for 60 s" in verdict["reason"]
    write_manifest(beside, Manifest(status="complete", steps_written=20, trace_sha256="00"))
    assert diff(a, b).exit_code == 3
    beside.write_text("{")
    found = diff(a, b)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"{beside}:1: not a manifest: ")


# Another test of the same process may have loaded JAX, which warns of every fork; the differ never loads it.
forks = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


@forks
def test_a_large_pair_is_read_in_processes_and_gives_the_same(tmp_path, pair, monkeypatch):
    broken = tmp_path / "c.jsonl"
    broken.write_bytes(text([*lines(1), b"nonsense"]))
    paths = [str(path) for path in (*pair, broken)]
    plain = read_recordings(paths)
    monkeypatch.setattr(recording, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for one, other in zip(plain, read_recordings(paths), strict=True):
        if isinstance(one, Recording):
            assert isinstance(other, Recording)
            assert one.trace.loss.tolist() == other.trace.loss.tolist()
            assert one.trace.header == other.trace.header
        else:
            assert isinstance(other, TraceError)
            assert str(one) == str(other) == f"{broken}:3: not JSON: JSON is malformed: invalid character (byte 4)."


@forks
def test_a_reading_process_that_dies_is_an_error_of_its_file(tmp_path):
    long = tmp_path / "long.jsonl"  # it is killed long before it has read that
    long.write_bytes(text(lines(400_000)))
    reader = recording._ReaderProcess([(str(long), LogKeys()), ("other.jsonl", LogKeys())])
    reader.process.kill()
    assert [str(error) for error in reader.receive()] == [
        f"{path}:1: cannot be read: the process reading it died." for path in (str(long), "other.jsonl")
    ]


BAD = {
    "empty": b"",
    "cut": text(lines(9))[:-7],
    "not JSON": text([*lines(3), b"nonsense"]),
    "number": text(lines(3)).replace(b'"loss":1.0', b'"loss":1.0.0'),
    "true": text(lines(3)).replace(b'"loss":1.0', b'"loss":true'),
    "ten megabytes": text([*lines(3), b"x" * 10_000_000]),
    "binary": bytes(range(256)) * 40,
    "no header": text(lines(3)[1:]),
    "nested": text([lines(0)[0].replace(b'"seed":314159', b'"seed":1,"x":' + b"[" * 800 + b"]" * 800), *lines(3)[1:]]),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_input_gives_one_line_and_2(tmp_path, pair, content):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    for arguments in ((pair[0], bad), (bad, pair[0])):
        found = diff(*arguments)
        assert (found.exit_code, found.stdout) == (2, "")
        assert re.fullmatch(rf"{re.escape(str(bad))}:\d+: [^\n]+\.\n", found.stderr), found.stderr


def test_a_folder_in_place_of_a_file(tmp_path, pair):
    found = diff(pair[0], tmp_path)
    assert (found.exit_code, found.stderr) == (2, f"{tmp_path}:1: a directory; expected a trace file.\n")
    for folder in (".", "/"):
        found = diff(pair[0], folder)
        assert (found.exit_code, found.stderr) == (2, f"{folder}:1: a directory; expected a trace file.\n")


def test_a_name_that_leaves_no_room_for_a_manifest(tmp_path):
    long = write(tmp_path / ("x" * 245 + ".jsonl"), [1.0, 0.5])
    assert diff(long, long).exit_code == 0


def test_a_terminal_is_not_steered_by_what_a_file_holds(tmp_path):
    odd = write(tmp_path / "odd.jsonl", [1.0, 0.5], pipeline="\x1b[2J")
    assert "\x1b" not in diff(odd, odd).stdout
    assert "\x1b" not in diff(odd, odd, "--format", "markdown").stdout


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_input_gives_a_traceback_or_passes_by_accident(tmp_path, data):
    good, odd = tmp_path / "good.jsonl", tmp_path / "odd.jsonl"
    whole = text(lines(9))
    good.write_bytes(whole)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    odd.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[stop:])
    found = diff(good, odd, "--mode", "bitwise")
    assert found.exit_code in (0, 1, 2, 3)
    if found.exit_code == 2:
        assert re.fullmatch(rf"{re.escape(str(odd))}:\d+: [^\n]+\.\n", found.stderr)
    if found.exit_code == 0:
        steps = [json.loads(line) for line in odd.read_bytes().splitlines()[1:]]
        assert [(s["step"], s["epoch"], s["loss"], s["lr"]) for s in steps] == [
            (s["step"], s["epoch"], s["loss"], s["lr"]) for s in map(json.loads, lines(9)[1:])
        ]
