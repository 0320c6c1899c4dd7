"""Exports of Weights & Biases: several runs, and values that stand for several steps."""

import pytest
from click.testing import CliRunner, Result

from harness.diff import main
from harness.errors import TraceError
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.read import read_log
from tests.support.sample_logs import falling

LOSSES = falling(40)


def export(folder, *runs: str, apart: float = 0.0, factors: tuple[float, ...] = (1, 1, 3), every: int = 1):
    """A chart of runs, each with the least and the largest value of every step."""
    names = [f"{run} - train/loss{end}" for run in runs for end in ("", "__MIN", "__MAX")]
    rows = [",".join(f'"{name}"' for name in ("Step", *names))]
    for step, loss in list(enumerate(LOSSES))[::every]:
        cells = [x for k, _ in enumerate(runs) for x in (loss, loss - apart, loss + apart) for x in [x * factors[k]]]
        rows.append(",".join(f'"{cell}"' for cell in (step, *cells)))
    path = folder / "wandb_export.csv"
    path.write_text("\n".join(rows))
    return path


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_one_of_several_runs_has_to_be_named(tmp_path):
    path = export(tmp_path, "lively-sun-7", "pale - moon", "odd")
    with pytest.raises(
        TraceError, match=r":1: several runs: 'lively-sun-7', 'pale - moon', 'odd'. Name one with --run"
    ):
        read_log(path, LogKeys())
    trace = read_log(path, LogKeys(run="pale - moon"))
    assert trace.loss.tolist() == LOSSES
    assert "run 'pale - moon' of 3" in trace.notes
    with pytest.raises(TraceError, match=r"unknown run 'odds'; did you mean 'odd'\?"):
        read_log(path, LogKeys(run="odds"))


def test_runs_of_one_file_are_compared(tmp_path):
    path = export(tmp_path, "a", "b", "c")
    found = diff(path, path, "--run", "a", "--run", "b")
    assert found.exit_code == 0
    assert f"A     {path}:a (W&B export" in found.stdout
    assert diff(path, path, "--run=a", "--run=c").exit_code == 1
    assert diff(path, path).stderr.count("Name one with --run.") == 1


def test_a_run_that_another_one_outlived_ends_where_its_cells_end(tmp_path):
    path = export(tmp_path, "a", "b")
    lines = path.read_text().split("\n")
    lines[31:] = [",".join([*line.split(",")[:4], '""', '""', '""']) for line in lines[31:]]
    path.write_text("\n".join(lines))
    assert [read_log(path, LogKeys(run=run)).steps for run in "ab"] == [40, 30]


def test_values_that_stand_for_several_steps_are_means(tmp_path):
    trace = read_log(export(tmp_path, "a", apart=0.25, every=4), LogKeys())
    assert trace.header.averaged
    assert "10 of 10 losses stand for several steps, of which they are the mean" in trace.notes


def test_metrics_of_a_run_beside_each_other(tmp_path):
    path = tmp_path / "export.csv"
    rows = ['"trainer/global_step","a - loss","a - lr","a - grad_norm"']
    rows += [f"{step},{loss},0.1,2" for step, loss in enumerate(LOSSES, 1)]
    path.write_text("\n".join(rows))
    trace = read_log(path, LogKeys())
    assert (trace.loss.tolist(), trace.lr.tolist()) == (LOSSES, [0.1] * 40)
    assert trace.lines[40].grad_norm == 2.0


def test_a_history_is_one_too(tmp_path):
    path = tmp_path / "history.csv"
    rows = [f"{k},{k},{1.5 * k},{1.7e9 + k},{loss}," for k, loss in enumerate(LOSSES)]
    path.write_text("\n".join([",_step,_runtime,_timestamp,train/loss,val/loss", *rows]))
    trace = read_log(path, LogKeys())
    assert (trace.header.phase, trace.loss.tolist()) == ("W&B history", LOSSES)
