import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.verdict.compare import Comparison, Judging, Numbers, compare
from harness.verdict.identity import IDENTITY, same
from harness.verdict.tolerance import MODES
from tests.support.sample_traces import recording

DEFAULT, BITWISE, STRICT = Judging(), Judging(MODES["bitwise"]), Judging(MODES["strict"])


def numbers_of(comparison: Comparison) -> Numbers:
    assert comparison.numbers is not None
    return comparison.numbers


def compared(a, b, judging: Judging = DEFAULT, **keys) -> Numbers:
    return numbers_of(compare(recording(a, **keys), recording(b, **keys), judging))


# ---- identity

CHANGES = {
    "netspec_name": "MNIST-CNN",
    "netspec_hash": "cd",
    "total_params": 669707,
    "params": ["w", "c"],
    "dataset": "mnist-synthetic",
    "data_sha256": "cd",
    "shuffle": True,
    "init_sha256": "cd",
    "dtype": "f64",
    "units": {"loss": "bits"},
    "epoch_steps": 10,
    "config_lr": 0.002,
    "config_batch_size": 64,
    "config_epochs": 15,
    "config_use_adam": False,
    "config_seed": 1,
    "config_optimizer": {"is": "SGD", "momentum": 0.9},
}
GIVEN = {
    "netspec_hash": "ab",
    "params": ["w", "b"],
    "data_sha256": "ab",
    "shuffle": False,
    "init_sha256": "ab",
    "dtype": "f32",
    "units": {"loss": "nats"},
    "epoch_steps": 468,
    "config_optimizer": {"is": "SGD", "momentum": 0.0},
}


@pytest.mark.parametrize("key", CHANGES)
def test_unlike_runs_are_refused_before_any_number_is_looked_at(key):
    a, b = recording([1.0], **GIVEN), recording([1.0], **(GIVEN | {key: CHANGES[key]}))
    for left, right in ((a, b), (b, a)):
        comparison = compare(left, right)
        assert comparison.identity.refused
        assert comparison.numbers is None
        (difference,) = comparison.identity.differences
        assert difference.key == key.replace("config_", "config.")
        assert CHANGES[key] in (difference.a, difference.b)


def test_every_identity_key_is_among_those_tried():
    assert set(IDENTITY) == {key for key in CHANGES if not key.startswith("config_")}


def test_every_differing_key_is_named():
    identity = compare(recording([1.0]), recording([1.0], dataset="x", config_lr=1.0)).identity
    assert [difference.key for difference in identity.differences] == ["dataset", "config.lr"]


@pytest.mark.parametrize("key", [key for key in CHANGES if key in GIVEN])
def test_a_key_that_only_one_side_has_is_unknown_and_not_refused(key):
    with_key, without = recording([1.0], **{key: GIVEN[key]}), recording([1.0])
    name = key.replace("config_", "config.")
    identity = compare(with_key, without).identity
    assert (identity.refused, identity.unknown_a, identity.unknown_b) == (False, (name,), ())
    identity = compare(without, with_key).identity
    assert (identity.refused, identity.unknown_a, identity.unknown_b) == (False, (), (name,))


def test_a_key_absent_on_both_sides_is_equal():
    identity = compare(recording([1.0]), recording([1.0])).identity
    assert (identity.refused, identity.unknown_a, identity.unknown_b) == (False, (), ())


def test_what_a_pair_may_differ_in():
    a = recording([1.0], phase="phase2", pipeline="phase2", backend="cpu", emitter_version="1")
    b = recording([1.0], phase="phase3", pipeline="phase3", backend="rocm", emitter_version="2")
    assert not compare(a, b).identity.refused


def test_conventions_are_noted_and_never_refused():
    a = recording([1.0], conventions={"weight_decay": "decoupled", "pool_ties": "first", "x": 1})
    b = recording([1.0], conventions={"weight_decay": "coupled", "pool_ties": "first", "y": 1})
    identity = compare(a, b).identity
    assert not identity.refused
    assert [(d.key, d.a, d.b) for d in identity.conventions] == [("weight_decay", "decoupled", "coupled")]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        ("1", 1, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        (None, 0, False),
    ],
)
def test_header_values_are_equal_as_json_values_are(a, b, expected):
    assert same(a, b) is expected
    assert same(b, a) is expected


def test_a_batch_that_differs_is_named_with_its_step():
    a = recording([1.0] * 5, digests={1: "aa", 2: "bb", 4: "cc"})
    b = recording([1.0] * 5, digests={1: "aa", 3: "xx", 4: "dd"})
    comparison = compare(a, b)
    assert comparison.identity.refused
    assert comparison.identity.batch_step == 4
    assert comparison.identity.batches == 2
    assert comparison.numbers is None


def test_batches_past_the_compared_steps_do_not_count():
    a, b = recording([1.0] * 5, digests={1: "a", 5: "b"}), recording([1.0] * 5, digests={1: "a", 5: "c"})
    assert compare(a, b).identity.refused
    assert not compare(a, b, Judging(steps=4)).identity.refused


# ---- numbers


def test_the_table_of_a_pair():
    numbers = compared([2.0, 1.5, 1.0, 1.0], [2.0, 1.75, 1.125, 1.5])
    assert [numbers.delta_at(step) for step in (1, 2, 3, 4, 5)] == [0.0, 0.25, 0.125, 0.5, None]
    assert (numbers.max, numbers.max_step) == (0.5, 4)
    assert numbers.median == 0.1875  # the mean of the middle two
    assert numbers.first_beyond == 2
    assert (numbers.compared, numbers.judged) == (4, 4)


def test_the_median_of_an_odd_count_is_the_middle_one():
    assert compared([0.0, 0.0, 0.0], [0.5, 0.0, 0.25]).median == 0.25


def test_the_first_of_several_largest_differences_is_named():
    assert compared([0.0, 0.0, 0.0], [0.0, 1.0, -1.0]).max_step == 2


def test_values_are_compared_as_they_are():
    numbers = compared([1.0], [1.0 + 2**-52], BITWISE)
    assert numbers.max == 2**-52
    assert numbers.first_beyond == 1


def test_steps_pair_by_number_so_a_shorter_side_shortens_the_pair():
    numbers = compared([1.0, 2.0, 3.0], [1.0, 2.0])
    assert numbers.compared == 2
    assert numbers.max == 0.0


def test_two_empty_runs_have_no_numbers():
    numbers = compared([], [])
    assert (numbers.compared, numbers.judged, numbers.median, numbers.max, numbers.smallest) == (0, 0, None, None, None)
    assert numbers.epochs == ()
    assert not numbers.full


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_equal_and_shows(odd):
    for a, b in (([1.0, odd], [1.0, odd]), ([1.0, odd], [1.0, 1.0]), ([1.0, 1.0], [1.0, odd])):
        numbers = compared(a, b)
        assert numbers.first_beyond == 2
        assert math.isnan(numbers.max or 0.0)
        assert numbers.max_step == 2
        assert math.isnan(numbers.median or 0.0)
        assert (numbers.nonfinite_a, numbers.nonfinite_b) == (
            None if math.isfinite(a[1]) else 2,
            None if math.isfinite(b[1]) else 2,
        )


def test_huge_numbers_do_not_warn():
    assert compared([1.7e308, 1e308], [-1.7e308, 1e308]).max == math.inf


# ---- how much is judged


@pytest.mark.parametrize(
    ("judging", "judged"),
    [
        (Judging(), 8),
        (Judging(window=3), 3),
        (Judging(window=300), 20),
        (Judging(all_steps=True), 20),
        (Judging(steps=5), 5),
        (BITWISE, 20),
        (Judging(MODES["bitwise"], window=4), 4),
    ],
)
def test_the_window_and_the_length_say_how_many_steps_are_judged(judging, judged):
    numbers = compared([1.0] * 20, [1.0] * 20, judging)
    assert numbers.judged == judged
    assert numbers.compared == (judging.steps or 20)


def test_the_smallest_tolerance_is_that_of_the_judged_steps():
    a, b = [1.0] * 10, [1.0] * 7 + [1.0005, 1.0, 3.0]
    numbers = compared(a, b)
    assert numbers.smallest is not None
    assert numbers.smallest.worst.step == 8
    assert numbers.smallest.mode == "strict"
    assert numbers.first_beyond == 10


# ---- epochs and schedule


def test_epoch_means_and_which_epochs_are_complete():
    losses = np.arange(10.0)
    numbers = compared(losses, losses + 1, per_epoch=4)
    found = [(mean.epoch, mean.first, mean.last, mean.a, mean.b, mean.complete) for mean in numbers.epochs]
    assert found == [(0, 1, 4, 1.5, 2.5, True), (1, 5, 8, 5.5, 6.5, True), (2, 9, 10, 8.5, 9.5, False)]
    assert not numbers.full


def test_the_last_epoch_is_complete_when_as_long_as_the_first():
    assert compared([1.0] * 8, [1.0] * 8, per_epoch=4).epochs[-1].complete
    assert not compared([1.0] * 7, [1.0] * 7, per_epoch=4).epochs[-1].complete
    assert not compared([1.0] * 4, [1.0] * 4, per_epoch=4).epochs[-1].complete  # nobody says how long it should be


def test_a_header_may_say_how_long_an_epoch_is():
    silent, says = recording([1.0] * 4), recording([1.0] * 4, epoch_steps=4)
    for a, b in ((silent, says), (says, silent), (says, says)):
        assert numbers_of(compare(a, b)).epochs[0].complete
    assert not compared([1.0] * 4, [1.0] * 4, epoch_steps=5).epochs[0].complete


def test_a_run_is_full_when_its_last_configured_epoch_is_complete():
    full = [1.0] * 8
    assert compared(full, full, per_epoch=4, config_epochs=2).full
    assert not compared(full, full, per_epoch=4, config_epochs=3).full
    assert not compared(full[:7], full[:7], per_epoch=4, config_epochs=2).full
    assert not compared(full, full[:7], per_epoch=4, config_epochs=2).full
    assert not compared(full, [*full, 1.0], per_epoch=4, config_epochs=2).full
    assert not compared(full, full, Judging(steps=7), per_epoch=4, config_epochs=2).full


def test_sides_that_disagree_about_epochs():
    a, b = recording([1.0] * 4, epoch=[0, 0, 1, 1]), recording([1.0] * 4, epoch=[0, 0, 0, 1])
    numbers = numbers_of(compare(a, b))
    assert numbers.epoch_beyond == 3
    assert numbers.epochs == ()


def test_learning_rates_are_compared_at_every_step_and_relatively():
    a = recording([1.0] * 20, lr=[0.001] * 20)
    b = recording([1.0] * 20, lr=[0.001] * 17 + [0.001 * (1 + 1e-6), 0.001 * (1 + 1e-3), 0.0005])
    numbers = numbers_of(compare(a, b))
    assert numbers.lr_beyond == 19  # a millionth is rounding, a thousandth is not, whatever the mode allows losses
    assert (numbers.lr_max, numbers.lr_max_step) == (pytest.approx(5e-4), 20)
    assert numbers_of(compare(a, b, STRICT)).lr_beyond == 19
    assert numbers_of(compare(a, b, BITWISE)).lr_beyond == 18


def test_a_learning_rate_printed_with_six_decimals_agrees_with_the_exact_one():
    losses = [2.419939, 2.015347, 1.765753]
    exact = [float(np.float32(loss)) for loss in losses]
    a, b = recording(losses, lr=0.00002), recording(exact, lr=2.0253513866919093e-05)
    comparison = compare(a, b, STRICT)
    assert comparison.resolution_a == 1e-6
    assert comparison.resolution_b is None
    assert numbers_of(comparison).lr_beyond is None
    assert numbers_of(compare(a, b, BITWISE)).lr_beyond == 1


def test_rates_are_never_taken_to_be_printed_so_coarsely_that_they_mean_nothing():
    losses = [2.42, 2.015, 1.766]
    assert numbers_of(compare(recording(losses, lr=0.001), recording(losses, lr=0.003))).lr_beyond == 1


# ---- laws

any_loss = st.sampled_from([0.0, 1e-6, 0.5, 0.50001, 0.5005, 0.51, 0.6, 2.0, math.nan, math.inf])
columns = st.lists(any_loss, max_size=12)


@given(columns, columns, st.sampled_from(list(MODES.values())), st.booleans())
def test_comparing_the_other_way_round_gives_the_same(a, b, mode, all_steps):
    judging = Judging(mode, all_steps=all_steps)
    one = numbers_of(compare(recording(a, per_epoch=5), recording(b, per_epoch=5), judging))
    other = numbers_of(compare(recording(b, per_epoch=5), recording(a, per_epoch=5), judging))
    for name in ("compared", "judged", "median", "max", "max_step", "first_beyond", "lr_max", "lr_beyond", "full"):
        np.testing.assert_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert (one.nonfinite_a, one.nonfinite_b) == (other.nonfinite_b, other.nonfinite_a)
    assert str([(m.epoch, m.a, m.b) for m in one.epochs]) == str([(m.epoch, m.b, m.a) for m in other.epochs])


@given(columns)
def test_a_trace_agrees_with_itself_exactly_when_it_is_finite(losses):
    numbers = compared(losses, losses, BITWISE)
    assert (numbers.first_beyond is None) == all(map(math.isfinite, losses))


def test_a_length_of_epochs_that_the_steps_contradict_is_not_believed():
    says = recording([1.0] * 8, per_epoch=4, epoch_steps=999)
    for a, b in ((says, recording([1.0] * 8, per_epoch=4)), (recording([1.0] * 8, per_epoch=4), says), (says, says)):
        assert [mean.complete for mean in numbers_of(compare(a, b)).epochs] == [True, True]


def test_who_comes_first_does_not_decide_whether_a_run_is_full():
    keys = {"per_epoch": 4, "config_epochs": 2}
    a, b = recording([1.0] * 8, **keys), recording([1.0] * 8, per_epoch=4, config_epochs=None)
    assert numbers_of(compare(a, b)).full
    assert numbers_of(compare(b, a)).full


def test_coarse_losses_do_not_excuse_a_learning_rate():
    losses = [2.4, 2.0, 1.8]
    a, b = recording(losses, lr=0.001), recording(losses, lr=0.05)
    assert compare(a, b).resolution_a == 0.1
    assert numbers_of(compare(a, b)).lr_beyond == 1
