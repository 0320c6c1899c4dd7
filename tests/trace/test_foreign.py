"""Traces of programs that do not keep to the letter of the format: read as they are meant, and what is odd is said."""

import json
import math

import numpy as np
import pytest

from harness.errors import TraceError
from harness.trace.format import Trace
from harness.trace.reader import read_trace
from tests.support.sample_traces import HEADER, lines, text


def step(number: int, **changes: object) -> bytes:
    return json.dumps({"kind": "step", "step": number, "epoch": 0, "loss": 2.0 / number, "lr": 0.1} | changes).encode()


def some(*numbers: int) -> list[bytes]:
    return [*lines(0), *(step(number) for number in numbers)]


def read(folder, content: bytes, **keys: bool) -> Trace:
    path = folder / "a.jsonl"
    path.write_bytes(content)
    return read_trace(path, allow_foreign=True, **keys)


def complaint(folder, content: bytes) -> str:
    with pytest.raises(TraceError) as caught:
        read(folder, content)
    return str(caught.value).removeprefix(f"{folder}/a.jsonl:")


WHOLE = text(lines(600))
INDENTED = "".join(json.dumps(json.loads(line), indent=2) + "\n" for line in lines(600)).encode()
SAME = {
    "as it should be": WHOLE,
    "no newline": WHOLE[:-1],
    "byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "CR LF": WHOLE.replace(b"\n", b"\r\n"),
    "CR LF, none at the end": WHOLE.replace(b"\n", b"\r\n")[:-2],
    "empty lines": WHOLE.replace(b"\n", b"\n\n"),
    "indented": INDENTED,
    "indented, with a mark": b"\xef\xbb\xbf" + INDENTED,
    "a list": b"[" + b",".join(lines(600)) + b"]",
    "an indented list": json.dumps([json.loads(line) for line in lines(600)], indent=4).encode(),
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_content_is_read_the_same(tmp_path, how):
    trace, plain = read(tmp_path, SAME[how]), read(tmp_path, WHOLE)
    np.testing.assert_array_equal(trace.loss, 2.0 / np.arange(1, 601))
    np.testing.assert_array_equal(trace.epoch, plain.epoch)
    assert (trace.header, trace.notes, trace.truncated, trace.numbers) == (plain.header, (), False, None)


def test_only_a_reader_that_asks_for_them_gets_these(tmp_path):
    for how in sorted(set(SAME) - {"as it should be", "CR LF"}):
        (tmp_path / "a.jsonl").write_bytes(SAME[how])
        with pytest.raises(TraceError):
            read_trace(tmp_path / "a.jsonl")


def test_values_that_are_no_numbers_survive_being_indented(tmp_path):
    content = INDENTED.replace(b'"loss": 1.0', b'"loss": NaN')
    assert math.isnan(read(tmp_path, content).loss[1])


@pytest.mark.parametrize(
    ("numbers", "notes"),
    [
        ([1, 10, 20, 30], ["every 10th step"]),
        ([10, 20, 30, 33], ["every 10th step"]),
        ([2, 4, 6], ["every 2nd step"]),
        ([3, 6, 9, 12], ["every 3rd step"]),
        ([11, 22, 33], ["every 11th step"]),
        ([1, 2, 4], ["3 of 4 steps"]),
        ([101, 102, 103], ["from step 101"]),
        ([1, 2, 3], []),
    ],
)
def test_steps_may_be_left_out(tmp_path, numbers, notes):
    trace = read(tmp_path, text(some(*numbers)))
    assert trace.step.tolist() == numbers
    assert list(trace.notes) == notes
    assert trace.loss[trace.rows([numbers[1]])].tolist() == [2.0 / numbers[1]]
    assert (trace.steps, trace.last_step) == (len(numbers), numbers[-1])


@pytest.mark.parametrize(
    ("first", "again", "kept", "dropped"),
    [
        (range(1, 121), range(101, 201), range(1, 201), 20),
        (range(1, 121), range(1, 51), range(1, 51), 120),
        (range(1, 121), range(120, 131), range(1, 131), 1),
        (range(10, 130, 10), range(100, 210, 10), range(10, 210, 10), 3),
    ],
)
def test_what_a_resumed_run_takes_again_counts(tmp_path, first, again, kept, dropped):
    old = [step(t, grad_norm=1.0, batch_sha256="aa") for t in first]
    new = [step(t, loss=100.0, grad_norm=2.0) for t in again]
    trace = read(tmp_path, text([*lines(0), *old, *new]))
    assert trace.step.tolist() == list(kept)
    assert trace.loss.tolist() == [100.0 if t >= again[0] else 2.0 / t for t in kept]
    assert {t: line.grad_norm for t, line in trace.lines.items()} == {t: 1.0 + (t >= again[0]) for t in kept}
    assert sorted(trace.digests) == [t for t in kept if t < again[0]]
    assert trace.notes[0] == f"resumed at step {again[0]}: the later values count, and not the {dropped} before them"


def test_a_run_that_was_resumed_twice(tmp_path):
    trace = read(tmp_path, text(some(1, 2, 3, 2, 3, 4, 3, 4, 5)))
    assert trace.step.tolist() == [1, 2, 3, 4, 5]
    assert list(trace.notes) == [
        "resumed 2 times, at first at step 2: the later values count, and not the 4 before them"
    ]


def test_a_resumed_run_may_go_back_to_an_earlier_epoch_and_no_other(tmp_path):
    content = [*lines(0), step(1), step(2, epoch=1), step(3, epoch=2), step(2, epoch=1), step(3, epoch=1)]
    assert read(tmp_path, text(content)).epoch.tolist() == [0, 1, 1]
    back = text([*lines(0), step(1), step(2, epoch=1), step(3), step(4, epoch=1)])
    assert complaint(tmp_path, back) == "4: epoch 0 of step 3 follows epoch 1; epochs never go back."


def test_the_header_again_is_passed_over_and_another_one_is_not(tmp_path):
    trace = read(tmp_path, text([*some(1, 2, 3), *some(3, 4)]))
    assert trace.step.tolist() == [1, 2, 3, 4]
    assert "its header is there 2 times" in trace.notes
    other = json.dumps(HEADER | {"netspec_name": "ANOTHER"}).encode()
    assert (
        complaint(tmp_path, text([*some(1, 2), other, step(3)]))
        == "4: the header of another run; a file holds one run."
    )


def test_steps_may_count_from_0(tmp_path):
    content = [step(1, step=0, grad_norm=1.0), step(2, step=1), step(3, step=2, batch_sha256="aa")]
    trace = read(tmp_path, text([*lines(0), *content]), with_lines=True)
    assert (trace.step.tolist(), list(trace.lines)) == ([1, 2, 3], [1, 2, 3])
    assert (trace.digests, trace.notes) == ({3: "aa"}, ("its steps count from 0",))
    assert complaint(tmp_path, text([*some(1, 2), step(1, step=0)])).startswith("4: not a step: Expected `int` >= 1")
    assert complaint(tmp_path, text([*lines(0), step(1, step=0, loss="x")])).startswith("2: not a step: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE[:-9], "601: the last line has no end; the file is truncated. Run it again, or remove that line."),
        (INDENTED[:-30], "1: not JSON: "),
        (b"{\n  nonsense\n", "1: not JSON: "),
        (text([*lines(2), b"nonsense"]), "4: not JSON: "),
        (text([*lines(2)[1:]]), "1: not a header: "),
        (b"", "1: the file is empty; expected a header line."),
    ],
)
def test_what_is_no_trace_is_still_none(tmp_path, content, message):
    assert complaint(tmp_path, content).startswith(message)
