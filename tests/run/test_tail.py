"""Following a trace while it grows, and what is kept of one that broke off."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.run.tail import TraceTail, is_regular, keep_readable
from harness.trace.reader import read_trace
from tests.support.sample_traces import lines, text


def test_steps_appear_as_their_lines_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = TraceTail(path)
    assert not tail.advance(), "there is no file yet"
    parts = lines(3)
    with path.open("wb", buffering=0) as file:
        file.write(parts[0] + b"\n" + parts[1][:10])
        assert not tail.advance()
        assert (tail.step, tail.loss != tail.loss) == (0, True)
        file.write(parts[1][10:])
        assert not tail.advance(), "the line has no end"
        file.write(b"\n")
        assert tail.advance()
        assert (tail.step, tail.loss) == (1, 2.0)
        assert not tail.advance(), "nothing new"
        file.write(b"garbage\n" + parts[2] + b"\n" + parts[3] + b'\nmore garbage\n{"kind": "st')
        assert tail.advance()
        assert (tail.step, tail.loss) == (3, 2 / 3)


@pytest.mark.parametrize("value", [b'"-Infinity"', b"1e999", b"null", b"[1]", b"[" * 100000])
def test_no_line_stops_it(tmp_path: Path, value: bytes) -> None:
    path = tmp_path / "a.jsonl"
    odd = b'{"kind":"step","step":2,"epoch":0,"loss":%s,"lr":0.1}' % value
    path.write_bytes(text([*lines(1), odd, b"\xff\xfe", b'{"kind":"\xff"}', b"", b'{"kind":"step","step":1e999}']))
    tail = TraceTail(path)
    assert tail.advance()
    assert tail.step == (2 if value == b'"-Infinity"' else 1)


def test_a_file_that_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text(lines(9)))
    tail = TraceTail(path)
    tail.advance()
    path.write_bytes(text(lines(2)))
    assert tail.advance()
    assert tail.step == 2


def test_many_blocks_and_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.tail._BLOCK", 100)
    monkeypatch.setattr("harness.run.tail.LONGEST_LINE", 500)
    path = tmp_path / "a.jsonl"
    path.write_bytes(text(lines(50)) + b"x" * 5000)
    tail = TraceTail(path)
    assert tail.advance()
    assert tail.step == 50
    assert len(tail._rest) <= 500


@pytest.mark.parametrize("block", [7, 100, 1 << 20])
@pytest.mark.parametrize(("most", "kept"), [(None, 5), (99, 5), (5, 5), (3, 3), (1, 1), (0, 0)])
def test_what_is_kept_of_a_sound_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, most: int | None, kept: int
) -> None:
    monkeypatch.setattr("harness.run.tail._BLOCK", block)
    path = tmp_path / "a.jsonl"
    path.write_bytes(text(lines(5)) + b'{"kind": "step", "st')
    trace, problem = keep_readable(path, most)
    assert trace is not None
    assert (trace.steps, problem) == (kept, None)
    assert path.read_bytes() == text(lines(kept))
    assert read_trace(path, with_digest=True).sha256 == trace.sha256


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 6), st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), st.booleans())
def test_the_readable_beginning_is_kept_whatever_follows(tmp_path: Path, at: int, garbage: bytes, more: bool) -> None:
    parts = lines(5)
    path = tmp_path / "a.jsonl"
    path.write_bytes(text([*parts[:at], garbage, *(parts[at:] if more else [])]))
    trace, problem = keep_readable(path)
    assert problem is not None
    assert f"a.jsonl:{at + 1}: " in problem
    if at == 0:
        assert trace is None
        assert not path.exists()
    else:
        assert trace is not None
        assert trace.steps == at - 1
        assert path.read_bytes() == text(parts[:at])


@pytest.mark.parametrize("content", [b"", b"{", b"\n", b"\n\n", b"\0" * 100])
def test_of_nothing_nothing_is_left(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    trace, _ = keep_readable(path)
    assert trace is None
    assert not path.exists()


def test_a_long_and_odd_path(tmp_path: Path) -> None:
    folder = tmp_path / ("x:7: " * 45)
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_bytes(text([*lines(2), b"garbage"]))
    trace, problem = keep_readable(path)
    assert trace is not None
    assert trace.steps == 2
    assert problem is not None


def test_a_pipe_a_device_and_a_link_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link", tmp_path, tmp_path / "absent"):
        assert not is_regular(path)
        assert not TraceTail(path).advance()
    (tmp_path / "file").touch()
    assert is_regular(tmp_path / "file")
