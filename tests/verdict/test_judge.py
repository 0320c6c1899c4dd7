import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.report import as_json, markdown, text
from harness.report.tables import summary_table
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.verdict import judge as judging
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import failed
from harness.verdict.gates import Gate
from harness.verdict.judge import Verdict, judge, worst_exit_code
from harness.verdict.pair import PairRow, exit_code, judge_recordings
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.tolerance import MODES
from tests.support.sample_traces import recording, trace

DEFAULT = Judging()
COMPLETE = Manifest(status="complete", steps_written=4)


def judged(a: Recording, b: Recording, judging: Judging = DEFAULT) -> Verdict:
    return judge(compare(a, b, judging))


def of(a, b, judging: Judging = DEFAULT, **keys) -> Verdict:
    return judged(recording(a, **keys), recording(b, **keys), judging)


def outcome(found: Verdict, gate: str) -> str:
    return next(line.outcome for line in found.evidence if line.gate == gate)


def undecided(found: Verdict) -> bool:
    """Whether the runs are not there as wholes."""
    return (found.status, found.gate) == ("INCONCLUSIVE", "complete")


# ---- the public scars


def test_agreeing_passes_and_disagreeing_fails_and_not_the_other_way_round():
    assert of([1.0] * 8, [1.0] * 8).status == "PASS"
    assert of([1.0] * 8, [2.0] * 8).status == "FAIL"


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_share_of_matching_steps_is_not_a_pass(share):
    b = np.ones(100)
    b[round(share * 100) :] = 2.0
    assert of(np.ones(100), b, Judging(all_steps=True)).status == "FAIL"


@pytest.mark.parametrize("step", range(1, 9))
def test_one_step_of_the_window_beyond_tolerance_fails(step):
    b = np.ones(8)
    b[step - 1] = 1.2
    found = of(np.ones(8), b)
    gate = {1: "forward", 2: "backward and optimizer", 3: "backward and optimizer"}.get(step, "window")
    assert found.status == "FAIL"
    assert outcome(found, gate) == "fail"
    assert found.place in (f"step {step}", f"step {step}, loss")
    assert found.fault == {1: "forward", 2: "backward", 3: "optimizer"}.get(step, "training")


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_nan_and_infinity_fail_on_one_side_and_on_both(odd, mode):
    for a, b in (([1.0, odd], [1.0, odd]), ([1.0, odd], [1.0, 1.0]), ([1.0, 1.0], [1.0, odd])):
        found = of(a, b, Judging(mode))
        assert (found.status, found.gate, found.place) == ("FAIL", "finite", "step 2")
    found = of([1.0], [1.0], Judging(mode), lr=odd)
    assert (found.status, found.gate, found.place) == ("FAIL", "finite", "step 1")


@pytest.mark.parametrize("kind", ["grad_norms", "param_norms", "update_norms"])
def test_a_norm_that_is_not_finite_fails_even_on_both_sides(kind):
    odd = recording([1.0] * 3, norms={kind: {"w": [1.0, math.inf, 1.0]}})
    found = judged(odd, odd)
    assert (found.status, found.gate, found.place) == ("FAIL", "finite", "step 2")


def test_nan_past_the_window_fails_too():
    a = np.ones(50)
    a[40] = math.nan
    assert of(a, a).place == "step 41"


def test_an_empty_comparison_is_never_a_pass():
    found = of([], [])
    assert (found.status, found.gate, found.exit_code) == ("INCONCLUSIVE", "complete", 3)
    assert of([], [1.0]).status == "INCONCLUSIVE"
    assert of([], [], Judging(steps=5)).status == "INCONCLUSIVE"


def test_more_steps_do_not_loosen_the_tolerance():
    for count in (8, 100, 1000):
        b = np.ones(count)
        b[4] = 1.2
        assert of(np.ones(count), b).status == "FAIL"


def test_a_shuffle_that_moved_images_and_not_labels_shows_in_the_batch_digest():
    a, b = recording([1.0] * 4, digests={1: "aa", 2: "bb"}), recording([1.0] * 4, digests={1: "aa", 2: "cc"})
    found = judged(a, b)
    assert (found.status, found.gate, found.place) == ("FAIL", "data", "step 2")


def test_other_initial_parameters_are_refused_even_when_losses_agree():
    found = judged(recording([1.0], init_sha256="aa"), recording([1.0], init_sha256="bb"))
    assert (found.status, found.gate, found.place, found.exit_code) == ("FAIL", "contract", "init_sha256", 1)


def test_a_step_that_only_one_side_has_is_not_paired_with_another():
    assert of([1.0, 2.0, 3.0], [1.0, 2.0]).status == "INCONCLUSIVE"
    assert of([1.0, 2.0, 3.0], [2.0, 3.0]).status == "FAIL"


# ---- gates


def test_a_refusal_names_every_key_and_both_values_and_looks_at_no_number():
    a, b = recording([math.nan], dataset="x" * 500), recording([1.0], dataset="mnist", config_lr=1.0)
    found = judged(a, b)
    assert (found.status, found.gate, found.fault) == ("FAIL", "contract", "contract")
    for part in ("dataset", "xxx...", "'mnist'", "config.lr", "0.001", "1.0"):
        assert part in found.reason
    assert outcome(found, "finite") == outcome(found, "window") == "unreached"


def test_lists_differ_by_an_element_and_by_their_length():
    a = recording([1.0], params=["w", "b"])
    for params in (["w", "c"], ["w"]):
        found = judged(a, recording([1.0], params=params))
        assert (found.status, found.gate, found.place) == ("FAIL", "contract", "params")


def test_a_key_that_one_side_lacks_is_unknown_and_no_failure():
    found = judged(recording([1.0], netspec_hash="ab"), recording([1.0], dtype="f32"))
    assert (found.status, outcome(found, "contract")) == ("PASS", "pass")


def test_conventions_are_noted_and_decide_nothing():
    first, every, unstated = (
        recording([1.0], **keys)
        for keys in ({"conventions": {"pool_ties": "first"}}, {"conventions": {"pool_ties": "all"}}, {})
    )
    for a, b in ((first, every), (first, unstated), (unstated, first), (first, first)):
        found = judged(a, b)
        assert (found.status, outcome(found, "conventions")) == ("PASS", "note")


@pytest.mark.parametrize("status", ["crashed", "timed-out", "interrupted", "refused"])
@pytest.mark.parametrize("judging", [DEFAULT, Judging(steps=2)], ids=["all", "prefix"])
def test_a_run_that_is_not_complete_never_passes(status, judging):
    bad = recording([1.0] * 4, manifest=Manifest(status=status, reason="out of disk", steps_written=4))
    good = recording([1.0] * 4, manifest=COMPLETE)
    for a, b in ((bad, good), (good, bad), (bad, bad)):
        found = judged(a, b, judging)
        assert (found.status, found.gate) == ("INCONCLUSIVE", "complete")
        assert status in found.reason and "out of disk" in found.reason
    assert judged(good, good).status == "PASS"


def test_a_manifest_of_another_trace_is_no_evidence():
    good = recording([1.0] * 4)
    other = dataclasses.replace(good, manifest=Manifest(status="complete", steps_written=5))
    assert undecided(judged(good, other))
    described = Recording(
        dataclasses.replace(good.trace, sha256="a" * 64),
        Manifest(status="complete", steps_written=4, trace_sha256="b" * 64),
    )
    assert undecided(judged(described, good))
    matching = dataclasses.replace(described, trace=dataclasses.replace(good.trace, sha256="b" * 64))
    assert judged(matching, good).status == "PASS"


@pytest.mark.parametrize("judging", [DEFAULT, Judging(steps=4)], ids=["all", "prefix"])
def test_a_trace_shorter_than_planned_is_never_a_pass(judging):
    a = recording([1.0] * 4, planned_steps=8)
    whole = recording([1.0] * 4, planned_steps=4)
    for pair in ((a, a), (a, whole), (whole, a)):
        assert undecided(judged(*pair, judging))
    assert judged(whole, whole, judging).status == "PASS"


def test_a_truncated_trace_is_never_a_pass():
    a = recording([1.0] * 4)
    cut = dataclasses.replace(a, trace=dataclasses.replace(a.trace, truncated=True))
    assert undecided(judged(a, cut)) and undecided(judged(cut, a))


def test_unequal_counts_need_steps_and_enough_of_them():
    a, b = recording([1.0] * 4), recording([1.0] * 6)
    assert undecided(judged(a, b))
    assert judged(a, b, Judging(steps=4)).status == "PASS"
    assert undecided(judged(a, b, Judging(steps=5)))


def test_a_gate_that_fails_decides_even_when_the_run_is_short():
    a, b = recording([1.0] * 4, planned_steps=8), recording([2.0] * 3)
    found = judged(a, b)
    assert (found.status, found.gate, found.fault) == ("FAIL", "forward", "forward")


def test_schedules_that_differ_fail_where_they_begin_to():
    a = recording([1.0] * 20)
    found = judged(a, recording([1.0] * 20, lr=[0.001] * 15 + [0.0005] * 5))
    assert (found.status, found.gate, found.place) == ("FAIL", "schedule", "step 16")
    found = judged(a, recording([1.0] * 20, per_epoch=10))
    assert (found.status, found.gate, found.place) == ("FAIL", "schedule", "step 11")


def test_beyond_the_window_steps_may_differ_and_epoch_means_may_not():
    a = 2 + np.random.default_rng(1).random(100)
    b = a * np.exp(np.linspace(0, 0.3, 100) ** 2)
    assert of(a, b, per_epoch=50).status == "PASS"
    assert of(a, b * np.linspace(1, 1.5, 100), Judging(all_steps=True), per_epoch=50).gate == "window"
    b[50:] *= 0.4
    found = of(a, b, per_epoch=50)
    line = next(line for line in found.evidence if line.gate == "epoch means")
    assert (found.status, line.outcome, line.place) == ("FAIL", "fail", "epoch 1")


def test_epoch_means_within_what_right_runs_keep():
    """The less is lost, the further apart right runs are."""
    bounds = fitted_bounds().later.epoch_mean
    for mean, bound in zip((1.0, 0.05, 0.005, 0.0005), bounds, strict=True):
        for factor, expected in ((np.exp(-0.99 * bound), "pass"), (np.exp(-1.01 * bound), "fail")):
            a, b = np.full(40, mean), np.full(40, mean)
            b[20:] *= factor
            for sides in ((a, b), (b, a)):
                assert outcome(of(*sides, per_epoch=20), "epoch means") == expected
    assert bounds == sorted(bounds)


def test_an_incomplete_epoch_is_not_judged_by_its_mean():
    a, b = np.ones(30), np.ones(30)
    b[20:] = 5.0
    found = of(a, b, per_epoch=20)
    assert outcome(found, "epoch means") == "pass"


def accurate(a: float | None, b: float | None, judging: Judging = DEFAULT, **keys) -> Verdict:
    keys = {"per_epoch": 4, "config_epochs": 2} | keys
    sides = [
        recording([1.0] * 8, manifest=Manifest(status="complete", steps_written=8, test_accuracy=x), **keys)
        for x in (a, b)
    ]
    return judged(*sides, judging)


def test_final_accuracies_within_half_a_point():
    assert accurate(0.985, 0.980).status == "PASS"
    assert accurate(0.980, 0.985).status == "PASS"
    found = accurate(0.9851, 0.980)
    assert (found.status, found.gate, found.place) == ("FAIL", "accuracy", "end of the run")


def test_accuracy_counts_come_before_the_rounded_fraction():
    counted = Manifest(status="complete", steps_written=8, test_accuracy=0.5, test_correct=9850, test_total=10000)
    plain = Manifest(status="complete", steps_written=8, test_accuracy=0.985)
    keys = {"per_epoch": 4, "config_epochs": 2}
    assert (
        judged(recording([1.0] * 8, manifest=counted, **keys), recording([1.0] * 8, manifest=plain, **keys)).status
        == "PASS"
    )


def counted(correct: int, total: int) -> Manifest:
    fraction = correct / total
    return Manifest(status="complete", steps_written=8, test_accuracy=fraction, test_correct=correct, test_total=total)


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [
        (counted(9819, 10000), counted(9740, 10000), "PASS"),  # the luck of 10,000 images
        (counted(9819, 10000), counted(9720, 10000), "FAIL"),
        (counted(82, 128), counted(60, 128), "PASS"),  # the luck of few images
        (counted(82, 128), counted(40, 128), "FAIL"),
        (counted(128, 128), counted(125, 128), "PASS"),  # all right is luck as well
        (counted(128, 128), counted(96, 128), "FAIL"),
        (counted(9000, 10000), counted(60, 128), "FAIL"),  # each side by its own number of images
        (counted(9000, 10000), counted(110, 128), "PASS"),
        (counted(4401, 5120), counted(8857, 10000), "PASS"),  # a right pair: the first images are the harder ones
        (counted(3700, 5120), counted(8857, 10000), "FAIL"),
        (counted(5120, 5120), counted(8857, 10000), "FAIL"),
        (Manifest(status="complete", steps_written=8, test_accuracy=0.9), counted(1, 10), "FAIL"),
    ],
)
def test_accuracies_of_a_short_run_are_held_to_what_chance_allows_their_images(a, b, status):
    sides = [recording([1.0] * 8, manifest=manifest, per_epoch=4, config_epochs=3) for manifest in (a, b)]
    for found in (judged(*sides), judged(*reversed(sides))):
        assert found.status == status
        assert outcome(found, "accuracy") == status.lower()
        assert status == "PASS" or (found.gate, found.fault) == ("accuracy", "training")


def test_a_loss_that_is_off_by_another_start_is_no_fault_of_the_mathematics():
    norms = [{"param_norms": {"w": [value] * 3, "b": [0.5] * 3}} for value in (10.0, 10.2)]
    found = judged(*(recording([loss] * 3, norms=norm) for loss, norm in zip((2.0, 3.0), norms, strict=True)))
    assert (found.fault, found.place) == ("contract", "step 1")
    assert found.reason.endswith("the sides start from other parameters: w is 2.0e-02 apart by its norm.")


def test_the_number_of_images_that_nobody_states_is_taken_as_one_batch():
    assert accurate(0.9, 0.1, config_epochs=3).gate == "accuracy"
    assert accurate(0.75, 0.6, config_epochs=3).status == "PASS"
    assert accurate(0.75, 0.6, config_epochs=3, config_batch_size=10000).gate == "accuracy"


def test_accuracies_of_two_lengths_or_unknown_ones_are_not_reached():
    for found in (
        judged(recording([1.0] * 8, manifest=counted(9, 10)), recording([1.0] * 9, manifest=counted(1, 10))),
        accurate(0.9, 0.1, Judging(steps=7)),
        accurate(0.9, None),
        accurate(None, None),
    ):
        assert found.status != "FAIL"
        assert "accuracy" in found.unreached


def test_a_short_run_passes_and_lists_what_it_did_not_reach():
    found = of([1.0] * 200, [1.0] * 200, planned_steps=200)
    assert (found.status, found.exit_code) == ("PASS", 0)
    not_run = "data", "ladder", "wide", "stress", "envelope", "lockstep", "states", "epoch means", "accuracy"
    assert found.unreached == not_run


def test_a_gate_is_a_name_and_a_function_in_a_list(monkeypatch):
    moon = Gate("moon", lambda pair: failed("it is full.", "sky", None))
    monkeypatch.setattr(judging, "GATES", (*judging.GATES, moon))
    found = of([1.0], [1.0])
    assert (found.status, found.gate, found.reason, found.place) == ("FAIL", "moon", "it is full.", "sky")


def test_every_gate_has_a_name_of_its_own():
    assert len({gate.name for gate in judging.GATES}) == len(judging.GATES)


def test_a_check_that_answers_none_is_not_reached(monkeypatch):
    monkeypatch.setattr(judging, "GATES", (*judging.GATES, Gate("moon", lambda pair: None)))
    unlike = judged(recording([1.0]), recording([1.0], netspec_name="other"))
    for found, reason in (
        (of([], []), "there is no step to compare."),
        (unlike, "not looked at, because the runs are unlike."),
    ):
        assert found.unreached[-1] == "moon"
        assert found.evidence[-1].line == reason


# ---- laws


@given(st.lists(st.floats(0, 5), min_size=1, max_size=25))
def test_a_finite_trace_passes_against_itself_in_every_mode(losses):
    for mode in MODES.values():
        assert of(losses, losses, Judging(mode)).status == "PASS"


# ---- exit codes and rows


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([0], 0), ([0, 3], 3), ([3, 1], 1), ([1, 2], 2), ([0, 1, 2, 3], 2), ([0, 0], 0), ([], 3)],
)
def test_of_several_exit_codes_the_worst_counts(codes, worst):
    assert worst_exit_code(codes) == worst


ABSENT = PairRow("mlp.phase2-cuda", "mlp.phase3-cuda", note="compiled, not run: no CUDA device", kind="cross-compiler")
ASKED = dataclasses.replace(
    ABSENT, verdict=Verdict("INCONCLUSIVE", "complete", "no CUDA device.", None), note="compiled, not run"
)


def test_an_absent_pair_is_only_mentioned_unless_it_was_asked_for():
    passing = judge_recordings(recording([1.0]), recording([1.0]), DEFAULT)
    assert exit_code([passing, ABSENT]) == 0
    assert exit_code([ABSENT]) == 3
    assert exit_code([passing, ASKED]) == 3


def test_a_summary_has_a_row_for_each_pair_judged_or_absent():
    passing = judge_recordings(
        recording([1.0] * 3, path="x/a.jsonl"), recording([1.0, 1.25, 1.5], path="x/b.jsonl.gz"), DEFAULT
    )
    assert summary_table([passing, ABSENT, ASKED]) == [
        ["a vs b", "0", "2.50e-01", "2.50e-01", "5.00e-01", "FAIL (backward and optimizer: step 2)"],
        ["mlp.phase2-cuda vs mlp.phase3-cuda", "-", "-", "-", "-", "compiled, not run: no CUDA device"],
        [ASKED.name, "-", "-", "-", "-", "INCONCLUSIVE (complete; compiled, not run)"],
    ]
    for render in (text.render_summary, markdown.render_summary):
        table = str(render([passing, ABSENT]))
        assert "2.50e-01" in table
        assert ABSENT.note in table
        assert table.endswith("\n")


def test_files_of_one_name_are_told_apart_by_their_folders():
    a, b = trace([1.0], path="x/a.jsonl"), trace([1.0], path="y/a.jsonl")
    assert judge_recordings(Recording(a), Recording(b), DEFAULT).name == "x/a.jsonl vs y/a.jsonl"


def test_an_absent_pair_renders_in_every_format():
    assert ABSENT.note in str(text.render_pair(ABSENT))
    assert ABSENT.note in markdown.render_pair(ABSENT)
    described = as_json.describe_pair(ABSENT)
    assert described["note"] == ABSENT.note
    assert "verdict" not in described


@pytest.mark.parametrize("columns", [60, 110, 300])
def test_long_evidence_is_wrapped_for_a_terminal_and_whole_in_markdown(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    a, b = recording([1.0], init_sha256="a" * 64, netspec_hash="b"), recording([1.0], dtype="f32")
    row = judge_recordings(a, b, DEFAULT)
    assert row.verdict is not None
    table = str(text.render_judged(row)).split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= max(min(columns, 110), 80)
    assert row.verdict.evidence[0].line in " ".join(table.split())
    assert markdown.escape(row.verdict.evidence[0].line) in markdown.render_pair(row)


def test_markdown_keeps_its_cells_whatever_names_hold():
    row = PairRow("a|b\nc", "<i>`x`", note="n|m")
    line = markdown.render_summary([row]).splitlines()[2]
    assert line.replace("\\|", "").count("|") == 7
    assert "\\<i\\>\\`x\\`" in line


@example([(0.0, 0.0)] * 8 + [(0.0, 1.8e302)])
@example([(0.0, 0.0)] * 7 + [(0.0, 1.3e298), (1.8e302, 0.0)])
@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=10))
def test_every_pair_renders_in_every_format(values):
    a, b = recording([x for x, _ in values]), recording([y for _, y in values])
    row = judge_recordings(a, b, DEFAULT)
    assert row.verdict is not None
    assert row.verdict.status in str(text.render_pair(row))
    assert row.verdict.status in markdown.render_pair(row)
    document = json.loads(as_json.render([row]), parse_constant=pytest.fail)
    assert document["exit_code"] == row.verdict.exit_code
    assert document["pairs"][0]["verdict"]["status"] == row.verdict.status
