"""Other spellings of a trace: what means the same is read as the same, and what means nothing stays an error."""

import math
from pathlib import Path

import numpy as np
import pytest

from harness.errors import TraceError
from harness.trace.format import BY_NAME, TraceFile
from harness.trace.reader import read_trace
from harness.trace.recording import read_recording
from harness.verdict.compare import Judging
from harness.verdict.pair import judge_recordings
from tests.support.sample_traces import header, lines, text, write

NOT_FINITE = {
    "NaN": math.nan,
    '"nan"': math.nan,
    '"NAN"': math.nan,
    "null": math.nan,
    "Infinity": math.inf,
    '"inf"': math.inf,
    '"+Infinity"': math.inf,
    "-Infinity": -math.inf,
    '"-inf"': -math.inf,
}


@pytest.mark.parametrize(("spelled", "meant"), NOT_FINITE.items())
@pytest.mark.parametrize("name", ["loss", "lr"])
def test_a_number_that_is_not_finite_is_a_value_however_it_is_spelled(
    tmp_path: Path, name: str, spelled: str, meant: float
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        text(lines(1)).decode() + f'{{"kind":"step","step":2,"epoch":0,"loss":1.5,"lr":0.1,"{name}":{spelled}}}\n'
    )
    trace = read_trace(path)
    assert np.array_equal(getattr(trace, name)[1:], [meant], equal_nan=True)


@pytest.mark.parametrize("channel", BY_NAME)
def test_a_value_by_name_may_be_spelled_like_any_other(tmp_path: Path, channel: str) -> None:
    path = tmp_path / "a.jsonl"
    channels = f'{{"kind":"step","step":2,"epoch":0,"loss":1.5,"lr":0.1,"{channel}":{{"w":NaN,"b":"-inf","c":-2}}}}\n'
    path.write_text(text(lines(1)).decode() + channels)
    assert getattr(read_trace(path).lines[2], channel) == {"w": "NaN", "b": "-Infinity", "c": -2.0}


@pytest.mark.parametrize("spelled", ['"none"', '"1.5"', "true", "[]", "1e999", '"infinite"', "nan", "None"])
def test_what_is_no_number_stays_an_error_with_its_line(tmp_path: Path, spelled: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text(lines(1)).decode() + f'{{"kind":"step","step":2,"epoch":0,"loss":{spelled},"lr":0.1}}\n')
    with pytest.raises(TraceError, match=r"a\.jsonl:3: not "):
        read_trace(path)


def judged(folder: Path, a: dict[str, object], b: dict[str, object]) -> tuple[str, str | None]:
    for name, changes in (("a", a), ("b", b)):
        write(folder / f"{name}.jsonl", [2.0, 1.0, 0.5], **changes)
    sides = [read_recording(folder / f"{name}.jsonl") for name in "ab"]
    verdict = judge_recordings(*sides, Judging()).verdict
    assert verdict is not None
    return verdict.status, verdict.gate


DIGEST = "478e27f1" * 8
CONFIG = header().config


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ({"dtype": "f32"}, {"dtype": "float32"}, True),
        ({"dtype": "Float64"}, {"dtype": "f64"}, True),
        ({"dtype": "f32"}, {"dtype": "float64"}, False),
        ({"init_sha256": DIGEST}, {"init_sha256": DIGEST.upper()}, True),
        ({"init_sha256": DIGEST}, {"init_sha256": DIGEST[::-1]}, False),
        ({"params": ["a.w", "b.w"]}, {"params": ["b.w", "a.w"]}, True),
        ({"params": ["a.w", "b.w"]}, {"params": ["a.w", "c.w"]}, False),
        ({"config": CONFIG | {"lr": 0.001}}, {"config": CONFIG | {"lr": float(np.float32(0.001))}}, True),
        ({"config": CONFIG | {"lr": 0.001}}, {"config": CONFIG | {"lr": 0.0010001}}, False),
    ],
)
def test_the_same_thing_may_be_spelled_otherwise(
    tmp_path: Path, a: dict[str, object], b: dict[str, object], alike: bool
) -> None:
    assert judged(tmp_path, a, b) == (("PASS", None) if alike else ("FAIL", "contract"))


def test_epochs_may_be_counted_from_one(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 1)):
        with TraceFile(tmp_path / f"{name}.jsonl", header(config_epochs=2, epoch_steps=4)) as writer:
            for k in range(8):
                writer.write_step(k + 1, first + k // 4, 1.0 / (k + 1), 0.001)
    row = judge_recordings(*(read_recording(tmp_path / f"{name}.jsonl") for name in "ab"), Judging())
    assert row.comparison is not None and row.comparison.numbers is not None
    assert row.comparison.numbers.epoch_beyond is None
    assert row.comparison.numbers.full
    assert [mean.epoch for mean in row.comparison.numbers.epochs] == [0, 1]


@pytest.mark.parametrize(
    ("digits", "factor", "status"),
    [(3, 1.0, "PASS"), (4, 1.0, "PASS"), (3, 1.01, "FAIL"), (4, 1.001, "FAIL"), (2, 1.0, "FAIL"), (3, 3.0, "FAIL")],
)
def test_rates_are_as_exact_as_they_were_printed(tmp_path: Path, digits: int, factor: float, status: str) -> None:
    """Three digits leave half a per cent; two would leave more than a schedule may be wrong by."""
    for name, coarse in (("a", False), ("b", True)):
        with TraceFile(tmp_path / f"{name}.jsonl", header()) as writer:
            for k in range(40):
                rate = 0.001 * math.cos(k / 40)
                writer.write_step(k + 1, 0, 1.0, float(f"{rate * factor:.{digits - 1}e}") if coarse else rate)
    row = judge_recordings(*(read_recording(tmp_path / f"{name}.jsonl") for name in "ab"), Judging())
    assert row.verdict is not None
    assert (row.verdict.status, row.verdict.fault) == (status, "schedule" if status == "FAIL" else None)
