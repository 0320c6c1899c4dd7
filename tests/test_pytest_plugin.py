from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.diff import main as diff
from harness.errors import HarnessError, TraceError
from harness.pytest_plugin import assert_traces_agree
from harness.trace.manifest import Manifest, write_manifest
from tests.support.paths import ROOT
from tests.support.sample_logs import write_log
from tests.support.sample_traces import write

pytest_plugins = ["pytester"]
FALLING = [2.0 / (k + 1) for k in range(20)]


@pytest.fixture
def trace_folder(tmp_path) -> Path:
    write(tmp_path / "a.jsonl", FALLING)
    write(tmp_path / "near.jsonl", [x + 1e-6 for x in FALLING])
    write(tmp_path / "far.jsonl", [FALLING[0], *(x + 0.5 for x in FALLING[1:])])
    write(tmp_path / "short.jsonl", FALLING[:9])
    write(tmp_path / "other.jsonl", FALLING, netspec_name="ANOTHER")
    return tmp_path


def test_traces_that_agree_give_their_verdict(trace_folder):
    verdict = assert_traces_agree(trace_folder / "a.jsonl", str(trace_folder / "near.jsonl"))
    assert verdict.status == "PASS"
    assert "accuracy" in verdict.unreached


def test_logs_of_other_tools_are_judged_as_diff_judges_them(trace_folder):
    log = write_log(trace_folder, "csv", FALLING)
    assert assert_traces_agree(log, log).status == "PASS"
    assert assert_traces_agree(trace_folder / "a.jsonl", log).coverage.words == "20 of 20 steps"


def test_a_failure_says_everything(trace_folder):
    with pytest.raises(AssertionError) as failure:
        assert_traces_agree(trace_folder / "a.jsonl", trace_folder / "far.jsonl")
    first, *rest = str(failure.value).splitlines()
    assert first.startswith("a vs far: FAIL (backward): backward and optimizer: ")
    (row,) = [line for line in rest if line.startswith("a vs far ")]
    assert row.split()[3:7] == ["0", "5.00e-01", "5.00e-01", "5.00e-01"]
    gates = {line.split("  ")[0]: line for line in rest}
    assert "pass" in gates["forward"]
    assert "fail" in gates["backward and optimizer"]


def test_an_inconclusive_pair_is_no_agreement(trace_folder):
    with pytest.raises(AssertionError, match=r"a vs short: INCONCLUSIVE: .*\nINCONCLUSIVE is no agreement"):
        assert_traces_agree(trace_folder / "a.jsonl", trace_folder / "short.jsonl")
    assert assert_traces_agree(trace_folder / "a.jsonl", trace_folder / "short.jsonl", steps=9).status == "PASS"


def test_unlike_runs_fail_by_their_contract(trace_folder):
    with pytest.raises(AssertionError, match=r"a vs other: FAIL \(contract\)"):
        assert_traces_agree(trace_folder / "a.jsonl", trace_folder / "other.jsonl")


@pytest.mark.parametrize("b", ["a", "near", "far", "short", "other"])
@pytest.mark.parametrize(
    "options", [{}, {"mode": "bitwise"}, {"mode": "strict", "window": 3}, {"steps": 9}, {"all_steps": True}], ids=str
)
def test_it_judges_as_diff_does(trace_folder, b, options):
    flags = [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in options.items()]
    paths = [trace_folder / "a.jsonl", trace_folder / f"{b}.jsonl"]
    code = CliRunner().invoke(diff, [*map(str, paths), *flags]).exit_code
    if code == 0:
        assert assert_traces_agree(*paths, **options).exit_code == 0
    else:
        with pytest.raises(AssertionError, match="INCONCLUSIVE is no agreement" if code == 3 else ": FAIL"):
            assert_traces_agree(*paths, **options)


def test_what_cannot_be_judged_is_an_error_and_no_failure(trace_folder):
    a = trace_folder / "a.jsonl"
    with pytest.raises(TraceError, match=r"none\.jsonl:1: cannot be read"):
        assert_traces_agree(a, trace_folder / "none.jsonl")
    for options, said in (
        ({"mode": "loose"}, "unknown mode 'loose'; known are bitwise, strict, cross-gpu, cross-comp."),
        ({"window": 0}, "window is 0; expected a whole number of at least 1."),
        ({"window": 3, "all_steps": True}, "exclude each other"),
    ):
        with pytest.raises(HarnessError, match=said):
            assert_traces_agree(a, a, **options)


def test_names_out_of_a_file_do_not_steer_the_terminal(trace_folder):
    hostile = write(trace_folder / "b.jsonl", FALLING, netspec_name="\x1b[2J")
    write_manifest(trace_folder / "b.manifest.json", Manifest(status="crashed", reason="\x1b[31m", steps_written=20))
    with pytest.raises(AssertionError) as failure:
        assert_traces_agree(trace_folder / "a.jsonl", hostile)
    assert "\x1b" not in str(failure.value)


def test_the_fixture_in_somebody_elses_tests(pytester, trace_folder):
    pytester.makepyfile(
        test_generator=f"""
        from pathlib import Path

        from harness.pytest_plugin import assert_traces_agree as by_import

        FOLDER = Path({str(trace_folder)!r})

        def test_near(assert_traces_agree):
            assert assert_traces_agree(FOLDER / "a.jsonl", FOLDER / "near.jsonl", mode="strict").status == "PASS"
            assert assert_traces_agree is by_import

        def test_far(assert_traces_agree):
            assert_traces_agree(FOLDER / "a.jsonl", FOLDER / "far.jsonl")

        def test_short(assert_traces_agree):
            assert_traces_agree(FOLDER / "a.jsonl", FOLDER / "short.jsonl")
        """
    )
    found = pytester.runpytest_subprocess("-W", "error")
    found.assert_outcomes(passed=1, failed=2)
    found.stdout.fnmatch_lines(
        [
            "E * AssertionError: a vs far: FAIL (backward): *",
            "E * pair * step 1 * step 2 * median * max * verdict",
            "E * a vs far * 5.00e-01 *",
            "E * forward * pass *",
            "E * backward and optimizer * fail *",
            "E * AssertionError: a vs short: INCONCLUSIVE: *",
        ]
    )
    assert not any(str(ROOT / "harness") in line for line in found.outlines)  # a failure points at the test, not at us


def test_whoever_does_not_use_it_does_not_pay_for_it(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_nothing_of_ours_is_loaded():
            ours = {name for name in sys.modules if name.partition(".")[0] == "harness"}
            assert ours == {"harness", "harness.pytest_plugin"}
            assert not {"click", "msgspec", "numpy", "pandas"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=1)
