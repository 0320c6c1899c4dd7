"""TensorBoard's event files: as TensorBoard's own writer leaves them, and as `harness convert` does."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary import Writer
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from harness.diff import main
from harness.errors import TraceError
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.read import read_log
from tests.support.sample_logs import falling
from tests.support.sample_traces import write

LOSSES = falling(40)


def tensors(folder: Path, losses: list[float], first: int = 0, *, loss: str = "train/loss") -> Path:
    """As TensorFlow 2 and TensorBoard itself write scalars: tensors."""
    writer = Writer(str(folder))
    for step, value in enumerate(losses, first):
        writer.add_scalar(loss, np.float32(value), step)
        writer.add_scalar("val/loss", np.float32(9.0), step)
        writer.add_scalar("lr", np.float32(0.001), step)
    writer.close()
    (path,) = [path for path in folder.iterdir() if "tfevents" in path.name]
    return path


def simple(folder: Path, losses: list[float], first: int = 1) -> Path:
    """As PyTorch's SummaryWriter does: simple values, each tag in an event of its own."""
    writer = EventFileWriter(str(folder))
    for step, value in enumerate(losses, first):
        for tag, number in (("Loss/train", value), ("grad_norm", 1.25)):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=number)])
            writer.add_event(Event(step=step, wall_time=1.0, summary=summary))
    writer.close()
    (path,) = folder.iterdir()
    return path


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_tensors_are_read(tmp_path):
    trace = read_log(tensors(tmp_path, LOSSES), LogKeys())
    np.testing.assert_array_equal(trace.loss, np.array(LOSSES, np.float32))
    assert trace.step.tolist() == list(range(1, 41))
    assert (trace.header.phase, trace.header.tells("lr")) == ("TensorBoard events", True)
    assert trace.notes == ("loss is 'train/loss'", "lr is 'lr'", "its steps count from 0")


def test_simple_values_are_read(tmp_path):
    trace = read_log(simple(tmp_path, LOSSES), LogKeys())
    np.testing.assert_array_equal(trace.loss, np.array(LOSSES, np.float32))
    assert (trace.step.tolist(), trace.lines[1].grad_norm) == (list(range(1, 41)), 1.25)


def test_a_folder_is_one_run_that_was_resumed(tmp_path):
    first = simple(tmp_path, LOSSES[:30])
    first.rename(tmp_path / "events.out.tfevents.1700000000.host.1.0")
    second = simple(tmp_path / "later", [7.0] * 20, first=21)
    second.rename(tmp_path / "events.out.tfevents.1700000009.host.1.0")
    trace = read_log(tmp_path, LogKeys())
    assert trace.step.tolist() == list(range(1, 41))
    assert trace.loss[20:].tolist() == [7.0] * 20
    assert "resumed at step 21: the later values count, and not the 10 before them" in trace.notes
    assert diff(tmp_path, tmp_path).exit_code == 0


def test_both_kinds_of_one_run_agree_and_of_others_do_not(tmp_path):
    a, b = tensors(tmp_path / "a", LOSSES), simple(tmp_path / "b", LOSSES)
    assert diff(a, b).exit_code == 0
    assert diff(a, write(tmp_path / "trace.jsonl", LOSSES)).exit_code == 0
    assert diff(a, simple(tmp_path / "c", [3 * x for x in LOSSES])).exit_code == 1


def test_a_tag_that_is_not_clear_is_asked_for(tmp_path):
    path = tensors(tmp_path, LOSSES, loss="d_loss")
    writer = Writer(str(path.parent))
    writer.add_scalar("g_loss", np.float32(1.0), 0)
    writer.close()
    with pytest.raises(TraceError, match=r"the loss may be 'd_loss' or 'g_loss'. Name one with --loss-key"):
        read_log(path.parent, LogKeys())
    assert read_log(path.parent, LogKeys(loss="d_loss")).steps == 40


def test_an_event_file_that_is_cut_off_has_what_was_written(tmp_path):
    path = simple(tmp_path, LOSSES)
    path.write_bytes(path.read_bytes()[:-30])
    assert read_log(path, LogKeys()).steps == 40, "the norm of the last step is lost"
    path.write_bytes(path.read_bytes()[:-100])
    assert 35 < read_log(path, LogKeys()).steps < 40


def test_a_damaged_record_is_named_by_its_place(tmp_path):
    path = simple(tmp_path, LOSSES)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    found = diff(path, path)
    assert found.exit_code == 2
    assert found.stderr.splitlines()[0].endswith(" is damaged.")
    assert found.stderr.startswith(f"{path}:1: the record at byte ")


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    path = simple(tmp_path, LOSSES)
    monkeypatch.setitem(sys.modules, "tensorboardX.crc32c", None)
    found = diff(path, path)
    assert found.exit_code == 2
    line = f"{path}:1: TensorBoard events: the package tensorboardX.crc32c is not installed. "
    assert found.stderr.splitlines()[0] == f"{line}Run `pip install 'training-trace-harness[tensorboard]'`."


def test_a_folder_without_events_is_none(tmp_path):
    found = diff(tmp_path, tmp_path)
    assert found.stderr.splitlines()[0] == f"{tmp_path}:1: a directory; expected a trace file."
    assert found.exit_code == 2
