"""The columns of a log, found by their names or named by the user."""

import gzip

import pytest
from click.testing import CliRunner, Result

from harness.diff import main
from harness.errors import TraceError
from harness.trace.format import Trace
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.read import read_log

LOSSES = [2.5 - 0.01 * k for k in range(20)]


def read(folder, columns: str, *rows: str, name: str = "log.csv", **keys: str) -> Trace:
    path = folder / name
    path.write_text("\n".join([columns, *rows]))
    return read_log(path, LogKeys(**keys))


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    "loss",
    [
        "loss",
        "Loss",
        "train_loss",
        "train/loss",
        "Loss/train",
        "training loss",
        "lm loss",
        "my_loss",
        "train-loss_step",
    ],
)
def test_a_loss_is_known_by_its_name(tmp_path, loss):
    trace = read(tmp_path, f"step,{loss},val_loss,eval/loss,loss scale,accuracy", "1,2.5,9,9,1,9", "2,2.0,9,9,1,9")
    assert trace.loss.tolist() == [2.5, 2.0]
    assert f"loss is '{loss}'" in trace.notes


def test_what_belongs_to_the_loss_is_not_taken_for_it(tmp_path):
    assert read(tmp_path, "step,aux_loss,loss,z_loss", "1,9,2.5,9").loss.tolist() == [2.5]
    assert read(tmp_path, "epoch,step,train_loss_step,train_loss_epoch", "0,0,2.5,9").loss.tolist() == [2.5]


@pytest.mark.parametrize(
    ("columns", "candidates"),
    [
        ("step,loss_a,loss_b", "'loss_a' or 'loss_b'"),
        ("step,loss,train/loss", "'loss' or 'train/loss'"),
        ("step,actor_loss,critic_loss,entropy_loss", "'actor_loss', 'critic_loss' or 'entropy_loss'"),
    ],
)
def test_a_loss_that_is_not_clear_is_asked_for(tmp_path, columns, candidates):
    row = "1" + ",2.5" * columns.count(",")
    with pytest.raises(TraceError, match=f"log.csv:1: the loss may be {candidates}. Name one with --loss-key.$"):
        read(tmp_path, columns, row)
    name = columns.split(",")[1]
    assert read(tmp_path, columns, row, loss=name).loss.tolist() == [2.5]


def test_a_rate_that_is_not_clear_is_left_out_and_asked_for(tmp_path):
    trace = read(tmp_path, "step,loss,lr-Adam/pg1,lr-Adam/pg2", "1,2.5,0.1,0.2")
    assert not trace.header.tells("lr")
    assert "learning rates may be 'lr-Adam/pg1' or 'lr-Adam/pg2' (--lr-key names one)" in trace.notes
    named = read(tmp_path, "step,loss,lr-Adam/pg1,lr-Adam/pg2", "1,2.5,0.1,0.2", lr="lr-Adam/pg2")
    assert (named.header.tells("lr"), named.lr.tolist()) == (True, [0.2])


@pytest.mark.parametrize("lr", ["lr", "learning_rate", "train/learning_rate", "lr-AdamW", "Learning Rate"])
@pytest.mark.parametrize("norm", ["grad_norm", "train/grad_norm", "grad norm", "grad_2.0_norm_total"])
def test_rates_and_norms_are_known_by_their_names(tmp_path, lr, norm):
    trace = read(tmp_path, f"step,loss,{lr},lr-SGD-momentum,{norm}", "1,2.5,0.1,0.9,3")
    assert trace.lr.tolist() == [0.1]
    assert trace.lines[1].grad_norm == 3.0


def test_a_rate_that_only_some_steps_have_is_unknown(tmp_path):
    trace = read(tmp_path, "step,loss,lr,grad_norm", "1,2.5,0.1,3", "2,2.4,,")
    assert not trace.header.tells("lr")
    assert list(trace.lines) == [1]


@pytest.mark.parametrize(
    ("steps", "read_as", "said"),
    [
        ("1 2 3 4", [1, 2, 3, 4], ""),
        ("0 1 2 3", [1, 2, 3, 4], "its steps count from 0"),
        ("9 19 29 39", [10, 20, 30, 40], "every 10th step; its steps count from 0"),
        ("10 20 30 40", [10, 20, 30, 40], "every 10th step"),
        ("1 10 20 30", [1, 10, 20, 30], "every 10th step"),
        ("0 10 20 30", [1, 11, 21, 31], "every 10th step; its steps count from 0"),
        ("2 4 6 8", [2, 4, 6, 8], "every 2nd step"),
        ("1 2 3 5", [1, 2, 3, 5], "4 of 5 steps"),
        ("1 2 3 2", [1, 2], "resumed at step 2: the later values count, and not the 2 before them"),
        ("1.0 2.0 3.0 4e0", [1, 2, 3, 4], ""),
        ("5 6 7 8", [5, 6, 7, 8], "from step 5"),
    ],
)
def test_steps_are_counted_from_1_and_what_they_are_is_said(tmp_path, steps, read_as, said):
    numbers = steps.split()
    trace = read(tmp_path, "step,loss", *(f"{step},{loss}" for step, loss in zip(numbers, LOSSES, strict=False)))
    assert trace.step.tolist() == read_as
    assert "; ".join(note for note in trace.notes if not note.startswith("loss is")) == said


def test_the_later_value_of_a_step_counts(tmp_path):
    trace = read(tmp_path, "step,loss,lr", "1,2.5,0.1", "2,2.4,0.1", "3,2.3,0.1", "2,2.2,0.2", "3,2.1,0.2")
    assert trace.step.tolist() == [1, 2, 3]
    assert (trace.loss.tolist(), trace.lr.tolist()) == ([2.5, 2.2, 2.1], [0.1, 0.2, 0.2])


def test_without_steps_rows_are_counted_and_that_is_said(tmp_path):
    trace = read(tmp_path, "loss,lr", "2.5,0.1", "2.4,0.1")
    assert trace.step.tolist() == [1, 2]
    assert "it has no column of steps, so that rows are counted" in trace.notes


@pytest.mark.parametrize(("first", "notes"), [(0, []), (1, ["its epochs count from 1"])])
def test_epochs_count_from_0_or_1(tmp_path, first, notes):
    rows = [f"{first + k // 4},{k + 1},{LOSSES[k]}" for k in range(12)]
    trace = read(tmp_path, "epoch,step,loss", *rows)
    assert [note for note in trace.notes if "epochs" in note] == notes
    told = read(tmp_path, "epoch,loss", *(f"{first + k},{LOSSES[k]}" for k in range(3)))
    assert told.header.epoch_losses == LOSSES[:3]
    assert [note for note in told.notes if "epochs" in note] == notes


def test_epochs_of_both_counts_are_the_same(tmp_path):
    paths = []
    for first in (0, 1):
        folder = tmp_path / str(first)
        folder.mkdir()
        read(folder, "epoch,step,loss", *(f"{first + k // 4},{k + 1},{LOSSES[k]}" for k in range(20)))
        paths.append(folder / "log.csv")
    assert diff(*paths).exit_code == 0


def test_columns_are_named_once_for_all_files_or_once_for_each(tmp_path):
    rows = [f"{k + 1},{loss},{2 * loss}" for k, loss in enumerate(LOSSES)]
    read(tmp_path, "n,loss_a,loss_b", *rows, name="a.csv", loss="loss_a", step="n")
    read(tmp_path, "n,loss_c,loss_a", *rows, name="b.csv", loss="loss_a", step="n")
    paths = tmp_path / "a.csv", tmp_path / "b.csv"
    assert diff(*paths, "--step-key=n", "--loss-key=loss_a").exit_code == 1
    assert diff(*paths, "--step-key=n", "--loss-key=loss_a", "--loss-key=loss_c").exit_code == 0
    found = diff(*paths, *["--loss-key=loss_a"] * 3)
    assert found.exit_code == 2
    assert found.stderr.startswith("harness: --loss-key is there 3 times; expected once, or once for each file.")
    assert diff(*paths, "--loss-key=loss_z").stderr.count("unknown column 'loss_z'; did you mean") == 2


def test_each_of_the_four_columns_can_be_named(tmp_path):
    keys = {"step": "n", "loss": "objective", "lr": "eta", "norm": "size"}
    trace = read(tmp_path, "n,objective,eta,size,loss", "1,2.5,0.1,3,9", "2,2.4,0.1,4,9", **keys)
    assert (trace.loss.tolist(), trace.lr.tolist(), trace.step.tolist()) == ([2.5, 2.4], [0.1, 0.1], [1, 2])
    assert [line.grad_norm for line in trace.lines.values()] == [3.0, 4.0]


def test_a_table_with_gaps_is_no_log_from_zero_for_that(tmp_path):
    rows = [f"0,{k + 1},{loss}," for k, loss in enumerate(LOSSES)]
    trace = read(tmp_path, "epoch,step,train_loss,val_loss", *rows)
    assert trace.step.tolist() == list(range(1, 21))
    every_second = read(tmp_path, "epoch,step,train_loss,val_loss", *rows[::2])
    assert (every_second.header.phase, every_second.step.tolist()) == ("Lightning metrics", list(range(2, 21, 2)))


def test_a_compressed_log_is_read(tmp_path):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(b"step,loss\n1,2.5\n2,2.25\n"))
    assert read_log(path, LogKeys()).loss.tolist() == [2.5, 2.25]
    assert diff(path, path).exit_code == 0
