import gzip
import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import TraceError
from harness.trace import reader
from harness.trace.column_reader import LONGEST_LINE
from harness.trace.format import BY_NAME, WHOLE_NORMS, TraceFile
from harness.trace.reader import read_trace
from tests.support.paths import ROOT
from tests.support.sample_traces import HEADER, header, lines, text

STEP = {"kind": "step", "step": 1, "epoch": 0, "loss": 2.5, "lr": 0.001}
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def step(**changes: object) -> bytes:
    return json.dumps({k: v for k, v in (STEP | changes).items() if v != "left out"}).encode()


def read(folder: Path, content: bytes, **keys: bool):
    path = folder / "a.jsonl"
    path.write_bytes(content)
    return read_trace(path, **keys)


def complaint(folder: Path, content: bytes) -> str:
    with pytest.raises(TraceError) as caught:
        read(folder, content)
    message = str(caught.value)
    assert message.startswith(f"{folder}/a.jsonl:"), message
    return message.removeprefix(f"{folder}/a.jsonl:")


# ---- writing


def test_the_writer_writes_the_specified_bytes(tmp_path):
    path = tmp_path / "a.jsonl"
    with TraceFile(path, header(netspec_hash="ab", planned_steps=2, units={"loss": "nats"})) as writer:
        writer.write_step(1, 0, np.float32(2.419939), 0.001)
        writer.write_step(
            2, 0, float("nan"), 0.5, grad_norm=float("inf"), param_norms={"w": 1}, batch_sha256="cd", wall_ms=1.5
        )
        projections = {"grad_projections": {"w": -1.5}, "update_projections": {"w": float("-inf")}}
        writer.write_step(3, 0, 1.0, 0.5, **projections, stat_norms={"bn.mean": 2})
    first, second, third, fourth = path.read_text().splitlines()
    assert first == (
        '{"kind":"header","phase":"phase3","netspec_name":"SOME-MLP","config":{"lr":0.001,"batch_size":128,"epochs":12,'
        '"use_adam":true,"weight_decay":0.0001,"cosine":true,"warmup_epochs":1,"augment":false,"label_smoothing":0.0,'
        '"seed":314159},"total_params":669706,"dataset":"mnist","emitter_version":"1","netspec_hash":"ab",'
        '"planned_steps":2,"units":{"loss":"nats"}}'
    )
    assert second == '{"kind":"step","step":1,"epoch":0,"loss":2.4199390411376953,"lr":0.001}'
    assert third == (
        '{"kind":"step","step":2,"epoch":0,"loss":"NaN","lr":0.5,"grad_norm":"Infinity",'
        '"param_norms":{"w":1.0},"batch_sha256":"cd","wall_ms":1.5}'
    )
    assert fourth == (
        '{"kind":"step","step":3,"epoch":0,"loss":1.0,"lr":0.5,"grad_projections":{"w":-1.5},'
        '"update_projections":{"w":"-Infinity"},"stat_norms":{"bn.mean":2.0}}'
    )


@in_one_folder
@given(st.lists(st.tuples(st.floats(), st.floats(), st.none() | st.floats()), max_size=20))
def test_every_float_comes_back_bit_for_bit(tmp_path, values):
    path = tmp_path / "a.jsonl"
    with TraceFile(path, header()) as writer:
        for k, (loss, lr, norm) in enumerate(values):
            writer.write_step(k + 1, 0, loss, lr, grad_norm=norm)
    for line in path.read_bytes().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    trace = read_trace(path, with_lines=True)
    for column, k in ((trace.loss, 0), (trace.lr, 1)):
        expected = np.array([value[k] for value in values], np.float64)
        np.testing.assert_array_equal(column, expected)
        assert (np.signbit(column) == np.signbit(expected))[~np.isnan(expected)].all()
    norms = [trace.lines[k + 1].grad_norm for k in range(len(values))]
    np.testing.assert_array_equal(
        [math.nan if norm is None else float(norm) for norm in norms],
        [math.nan if norm is None else norm for _, _, norm in values],
    )


@given(st.floats(width=32, allow_nan=False))
@in_one_folder
def test_a_float32_is_widened_and_so_kept_exactly(tmp_path, value):
    with TraceFile(tmp_path / "a.jsonl", header()) as writer:
        writer.write_step(1, 0, np.float32(value), 0.1)
    assert np.float32(read_trace(tmp_path / "a.jsonl").loss[0]) == np.float32(value)


def test_the_writer_refuses_a_missing_or_repeated_step(tmp_path):
    with TraceFile(tmp_path / "a.jsonl", header()) as writer:
        with pytest.raises(TraceError, match=r"a\.jsonl: the first step is 2; steps start at 1\.$"):
            writer.write_step(2, 0, 1.0, 0.1)
        writer.write_step(1, 0, 1.0, 0.1)
        with pytest.raises(TraceError, match="step 1 follows step 1; steps must be consecutive"):
            writer.write_step(1, 0, 1.0, 0.1)


def test_a_killed_writer_leaves_every_written_step(tmp_path):
    program = (
        "import os, signal\n"
        "from tests.support.sample_traces import header\nfrom harness.trace.format import TraceFile\n"
        f"writer = TraceFile({str(tmp_path / 'a.jsonl')!r}, header())\n"
        "for k in range(100): writer.write_step(k + 1, 0, 1.0, 0.1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert killed.returncode == -signal.SIGKILL
    assert read_trace(tmp_path / "a.jsonl").steps == 100


# ---- reading what is right


def test_a_published_trace_is_read(tmp_path):
    published = (
        b'{"kind":"header","phase":"phase3","netspec_name":"MNIST-MLP","config":{"lr":0.001000,"batch_size":128,"epochs":12,'
        b'"use_adam":true,"weight_decay":0.000100,"cosine":true,"warmup_epochs":1,"augment":false,"label_smoothing":0.000000,'
        b'"seed":314159},"total_params":669706,"dataset":"mnist","emitter_version":"1"}\n'
        b'{"kind":"step","step":1,"epoch":0,"loss":2.419939,"lr":0.001000}\n'
        b'{"kind":"step","step":2,"epoch":0,"loss":2.015347,"lr":0.001000}\n'
    )
    trace = read(tmp_path, published)
    assert trace.steps == 2
    assert trace.loss.tolist() == [2.419939, 2.015347]
    assert trace.lr.tolist() == [0.001, 0.001]
    assert trace.epoch.tolist() == [0, 0]
    assert trace.header.netspec_hash is None
    assert trace.header.config["weight_decay"] == 0.0001


def test_reference_traces_are_read():
    folder = os.environ.get("HARNESS_REFERENCE_TRACES")
    if not folder:
        pytest.skip("HARNESS_REFERENCE_TRACES does not name the folder of the two published traces")
    paths = sorted(Path(folder).glob("*.jsonl"))
    assert len(paths) == 2
    for path in paths:
        assert read_trace(path).steps == 5616


def test_unknown_keys_blanks_integers_and_nulls_are_fine(tmp_path):
    content = text(
        [
            json.dumps(HEADER | {"future": [1, {"x": None}], "netspec_hash": None}).encode(),
            b' {"step" : 1, "kind":"step", "epoch":0, "loss": 2, "lr": 0, "future": {"a": [1]}, "grad_norm": null}\t\r',
        ]
    )
    trace = read(tmp_path, content)
    assert trace.loss.tolist() == [2.0]
    assert trace.header.netspec_hash is None


def test_a_header_alone_is_a_trace_of_no_steps(tmp_path):
    trace = read(tmp_path, text(lines(0)))
    assert trace.steps == 0
    assert trace.loss.dtype == np.float64


def test_digests_lines_and_the_file_digest(tmp_path):
    content = text([*lines(0), step(batch_sha256="aa"), step(step=2, grad_norms={"w": 1.5}), step(step=3, wall_ms=3.5)])
    assert sorted(read(tmp_path, content).lines) == [1, 2]
    trace = read(tmp_path, content, with_lines=True, with_digest=True)
    assert trace.digests == {1: "aa"}
    assert sorted(trace.lines) == [1, 2, 3]
    assert trace.lines[2].grad_norms == {"w": 1.5}
    assert trace.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("channel", [*WHOLE_NORMS, *BY_NAME])
def test_a_line_with_any_one_channel_is_kept(tmp_path, channel):
    value = 1.5 if channel in WHOLE_NORMS else {"w": 1.5}
    trace = read(tmp_path, text([*lines(0), step(**{channel: value})]))
    assert getattr(trace.lines[1], channel) == value


def test_every_line_with_norms_is_kept_and_the_others_on_request(tmp_path):
    content = text(
        [
            *lines(0),
            *(step(step=k, **({"update_norms": {"w": float(k)}} if k % 100 == 0 else {})) for k in range(1, 3001)),
        ]
    )
    assert sorted(read(tmp_path, content).lines) == list(range(100, 3001, 100))
    kept = read(tmp_path, content, with_lines=True).lines
    assert len(kept) == 3000
    assert kept[3000].update_norms == {"w": 3000.0}


def test_gzip_reads_like_plain_and_has_the_digest_of_the_plain_bytes(tmp_path):
    content = text(lines(5000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    packed, plain = read_trace(tmp_path / "a.jsonl.gz", with_digest=True), read(tmp_path, content, with_digest=True)
    np.testing.assert_array_equal(packed.loss, plain.loss)
    assert packed.steps == 5000
    assert packed.sha256 == plain.sha256


def test_long_traces_keep_every_step_across_blocks(tmp_path):
    trace = read(tmp_path, text(lines(5000)))
    np.testing.assert_array_equal(trace.loss, 2.0 / np.arange(1, 5001))
    np.testing.assert_array_equal(trace.epoch, np.arange(5000) // 468)


def test_an_unfinished_last_line_is_left_out_on_request_only(tmp_path):
    content = text(lines(3))[:-10]
    trace = read(tmp_path, content, allow_truncated=True)
    assert (trace.steps, trace.truncated) == (2, True)
    assert (
        complaint(tmp_path, content)
        == "4: the last line has no end; the file is truncated. Run it again, or remove that line."
    )
    whole = read(tmp_path, text(lines(3)), allow_truncated=True)
    assert (whole.steps, whole.truncated) == (3, False)
    assert (
        complaint(tmp_path, text(lines(3))[:-1])
        == "4: the last line has no end; the file is truncated. Run it again, or remove that line."
    )


# ---- reading what is wrong

BAD_STEPS = {
    "number": (b"17", "not a step: Expected `object`, got `int`."),
    "blank line": (b"", "an empty line; expected a step."),
    "two objects": (step() + step(step=2), "not JSON: "),
    "half an object": (b'{"kind":"step","step":1,', "not JSON: "),
    "leading zero": (b'{"kind":"step","step":01,"epoch":0,"loss":1,"lr":1}', "not JSON: "),
    "byte order mark": (b"\xef\xbb\xbf" + step(), "not JSON: "),
    "not UTF-8": (
        step(future="é").replace(b"\\u00e9", b"\xe9"),
        "not UTF-8 (byte 78 of the line); expected a step as JSON.",
    ),
    "deep nesting": (
        step()[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "nested too deeply; expected a step as JSON.",
    ),
    "second header": (lines(0)[0], "not a step: "),
    "no kind": (step(kind="left out"), "not a step: Object missing required field `kind`."),
    "no step": (step(step="left out"), "not a step: Object missing required field `step`."),
    "no epoch": (step(epoch="left out"), "not a step: Object missing required field `epoch`."),
    "no loss": (step(loss="left out"), "not a step: Object missing required field `loss`."),
    "no lr": (step(lr="left out"), "not a step: Object missing required field `lr`."),
    "loss true": (step(loss=True), "not a step: Expected `float | str`, got `bool` - at `$.loss`."),
    "step true": (step(step=True), "not a step: Expected `int`, got `bool` - at `$.step`."),
    "loss as text": (step(loss="2.5"), "not a step: Invalid enum value '2.5' - at `$.loss`."),
    "loss list": (step(loss=[2.5]), "not a step: "),
    "norm true": (step(grad_norm=True), "not a step: "),
    "norms list": (step(grad_norms=[1.0]), "not a step: "),
    "norms of text": (step(param_norms={"w": "x"}), "not a step: "),
    "digest number": (step(batch_sha256=7), "not a step: "),
    "step 0": (step(step=0), "not a step: Expected `int` >= 1 - at `$.step`."),
    "step -1": (step(step=-1), "not a step: "),
    "step 1.0": (step(step=1.0), "not a step: Expected `int`, got `float` - at `$.step`."),
    "huge step": (step(step=10**400), "not a step: "),
    "huge epoch": (step(epoch=10**30), "not a step: "),
    "epoch -1": (step(epoch=-1), "not a step: "),
    "huge loss": (
        b'{"kind":"step","step":1,"epoch":0,"loss":1e999,"lr":1}',
        "not a step: Number out of range - at `$.loss`.",
    ),
    "first step 2": (step(step=2), "the first step is 2; steps start at 1."),
}


@pytest.mark.parametrize(("line", "expected"), BAD_STEPS.values(), ids=BAD_STEPS.keys())
def test_a_bad_step_is_named_with_its_line(tmp_path, line, expected):
    found = complaint(tmp_path, text([*lines(0), line]))
    assert found.startswith("2: " + expected), found
    assert found.isprintable()


@pytest.mark.parametrize("line", [v[0] for k, v in BAD_STEPS.items() if k != "first step 2"])
def test_a_bad_line_far_down_is_named_with_its_line(tmp_path, line):
    good = lines(4000)
    assert complaint(tmp_path, text([*good[:3500], line, *good[3500:]])).startswith("3501: ")


def test_steps_must_be_consecutive(tmp_path):
    good = lines(4000)
    where = "steps must be consecutive."
    assert complaint(tmp_path, text(good[:3] + good[4:])) == f"4: step 4 follows step 2; {where}"
    assert complaint(tmp_path, text(good[:3] + good[2:])) == f"4: step 2 follows step 2; {where}"
    assert complaint(tmp_path, text([*good[:3], good[1]])) == f"4: step 1 follows step 2; {where}"
    assert complaint(tmp_path, text(good[:3000] + good[3001:])) == f"3001: step 3001 follows step 2999; {where}"


def test_objects_must_keep_to_their_lines_even_when_their_number_is_right(tmp_path):
    broken = step().replace(b'"epoch"', b'\n"epoch"')
    assert complaint(tmp_path, text([*lines(0), broken + step(step=2)])).startswith("2: not JSON: ")
    spread = text([*lines(0), step(), step(step=2)]).replace(b'"step": 2', b'"step":\n2')
    assert complaint(tmp_path, spread).startswith("3: not JSON: ")


def test_a_swap_of_two_lines_is_refused(tmp_path):
    good = lines(5)
    good[2], good[3] = good[3], good[2]
    assert complaint(tmp_path, text(good)) == "3: step 3 follows step 1; steps must be consecutive."


def test_epochs_never_go_back(tmp_path):
    assert (
        complaint(tmp_path, text([*lines(0), step(epoch=1), step(step=2)]))
        == "3: epoch 0 follows epoch 1; epochs never go back."
    )
    many = lines(2000)
    many[1500] = step(step=1500, epoch=0)
    assert complaint(tmp_path, text(many)) == "1501: epoch 0 follows epoch 3; epochs never go back."


def head(**changes: object) -> bytes:
    return json.dumps({k: v for k, v in (HEADER | changes).items() if v != "left out"}).encode()


BAD_HEADERS = {
    "a step": (step(), "not a header: Invalid enum value 'step' - at `$.kind`."),
    "not JSON": (b"\x00\x01\x02", "not JSON: "),
    "not UTF-8": (b'{"kind":"\xff"}', "not UTF-8 (byte 10 of the line); expected a header as JSON."),
    "blank": (b"", "an empty line; expected a header."),
    "config list": (head(config=[]), "not a header: Expected `object`, got `array`"),
    "lr text": (head(config={"lr": "x"}), "not a header: "),
    "use_adam 1": (head(config={"use_adam": 1}), "not a header: "),
    "epochs true": (head(config={"epochs": True}), "not a header: "),
    "params true": (head(total_params=True), "not a header: "),
    "dataset missing": (head(dataset="left out"), "not a header: Object missing required field `dataset`."),
    "planned text": (head(planned_steps="8"), "not a header: "),
    "line break": (head(kind="a\nb\x1b[2J" + "x" * 999), "not a header: Invalid enum value 'a\\nb\\x1b[2J"),
}


@pytest.mark.parametrize(("line", "expected"), BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_a_bad_header_is_named(tmp_path, line, expected):
    found = complaint(tmp_path, text([line, *lines(2)[1:]]))
    assert found.startswith("1: " + expected), found
    assert found.isprintable()
    assert len(found) < 300


def test_an_empty_file_is_refused_at_line_1(tmp_path):
    assert complaint(tmp_path, b"") == "1: the file is empty; expected a header line."


def test_a_binary_file_is_refused_at_line_1(tmp_path):
    assert complaint(tmp_path, bytes(range(256)) * 400).startswith("1: not JSON: ")
    assert complaint(tmp_path, b"\x89PNG\r\n" + bytes(range(256)) * 400).startswith("1: not UTF-8 (byte 1 of the line)")
    assert complaint(tmp_path, os.urandom(64).replace(b"\n", b"")).startswith("1: not ")


@pytest.mark.parametrize("filler", [b" ", b"x"])
def test_a_line_of_ten_megabytes(tmp_path, filler):
    assert complaint(tmp_path, text([*lines(1), step(step=2) + filler * 10_000_000, *lines(3)[3:]])) == (
        f"3: the line is longer than {LONGEST_LINE} bytes."
    )


def test_a_line_without_end_is_not_read_to_its_end(tmp_path):
    found = complaint(tmp_path, text(lines(1)) + b"x" * 10_000_000)
    assert found == f"3: the line is longer than {LONGEST_LINE} bytes."


def test_a_long_but_whole_step(tmp_path):
    room = LONGEST_LINE - len(step(step=2, future=""))
    assert read(tmp_path, text([*lines(1), step(step=2, future="x" * room)])).steps == 2
    found = complaint(tmp_path, text([*lines(1), step(step=2, future="x" * (room + 1))]))
    assert found == f"3: the line is longer than {LONGEST_LINE} bytes."


def test_a_line_just_too_long(tmp_path):
    for end in (b"", *lines(4)[3:]):
        long = step(step=2).ljust(LONGEST_LINE + 1)
        assert complaint(tmp_path, text([*lines(1), long, end])) == f"3: the line is longer than {LONGEST_LINE} bytes."
    assert read(tmp_path, text([*lines(1), step(step=2).ljust(LONGEST_LINE)])).steps == 2


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "1: cannot be read: No such file or directory."),
        (lambda path: path.mkdir(), "1: a directory; expected a trace file."),
    ],
    ids=["missing", "directory"],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_path_that_is_no_readable_file_is_refused(tmp_path, make, expected, suffix):
    path = tmp_path / f"a{suffix}"
    make(path)
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value) == f"{path}:{expected}"


def test_a_damaged_gzip_file_is_refused_by_name_and_line(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(text(lines(5000)))
    for damaged, what in (
        (b"no gzip at all", "cannot be read: Not a gzipped file"),
        (packed[:-500], "cannot be read: Compressed file ended"),
        (packed[:3000] + bytes(200) + packed[3200:], ""),
        (b"", "the file is empty"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(TraceError, match=rf"a\.jsonl\.gz:\d+: {what}") as caught:
            read_trace(path)
        assert str(caught.value).isprintable()


def try_to_read(folder: Path, content: bytes):
    """The trace, or None after a proper complaint."""
    try:
        return read(folder, content)
    except TraceError as error:
        assert re.fullmatch(rf"{re.escape(str(folder))}/a\.jsonl:\d+: .+\.", str(error)), str(error)
        assert str(error).isprintable()
        return None


@in_one_folder
@given(st.binary())
def test_no_bytes_are_read_as_a_trace_by_accident(tmp_path, content):
    assert try_to_read(tmp_path, content) is None


@settings(in_one_folder, max_examples=300)
@given(st.data())
def test_a_damaged_trace_is_refused_or_still_is_what_json_says(tmp_path, data):
    content = bytearray(text(lines(6)))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        stop = start + data.draw(st.integers(0, 4))
        content[start:stop] = data.draw(
            st.sampled_from([b"", b"\n", b"{", b'"', b"1", b"-", b",", b"\xff", b"NaN"]) | st.binary(max_size=3)
        )
    trace = try_to_read(tmp_path, bytes(content))
    if trace is not None:
        parsed = [json.loads(line, parse_constant=pytest.fail) for line in bytes(content).decode().split("\n")[:-1]]
        assert [line["kind"] for line in parsed] == ["header"] + ["step"] * trace.steps
        assert [line["step"] for line in parsed[1:]] == list(range(1, trace.steps + 1))
        np.testing.assert_array_equal(trace.loss, [float(line["loss"]) for line in parsed[1:]])
        np.testing.assert_array_equal(trace.lr, [float(line["lr"]) for line in parsed[1:]])


def content_or_complaint(folder: Path, content: bytes) -> str:
    try:
        trace = read(folder, content, with_lines=True)
    except TraceError as error:
        return str(error)
    return repr([trace.epoch.tolist(), trace.loss.tolist(), trace.lr.tolist(), trace.digests, trace.lines])


def test_where_a_block_ends_makes_no_difference(tmp_path, monkeypatch):
    good = [*lines(2), step(step=3, epoch=1, batch_sha256="aa", future="é"), step(step=4, epoch=1, loss="NaN")]
    bad = [
        [*good, step(step=5, epoch=0)],
        [*good, step(step=6, epoch=1)],
        [*good, step(step=4, epoch=1)],
        [*good, b"", step(step=5, epoch=1)],
        [*good, step(step=5, epoch=1) + step(step=6, epoch=1)],
        [*good, b"\xff", step(step=5, epoch=1)],
        [*good, step(step=5, epoch=1) + b"\r"],
    ]
    for content in map(text, [good, *bad]):
        whole = content_or_complaint(tmp_path, content)
        for block in [*range(1, 40), 100, 150, 400]:
            monkeypatch.setattr(reader, "_BLOCK", block)
            assert content_or_complaint(tmp_path, content) == whole
        monkeypatch.undo()


@in_one_folder
@given(st.integers(min_value=0, max_value=len(text(lines(6))) - 1))
def test_a_cut_trace_is_refused_or_has_fewer_steps(tmp_path, length):
    trace = try_to_read(tmp_path, text(lines(6))[:length])
    assert trace is None or trace.steps < 6
