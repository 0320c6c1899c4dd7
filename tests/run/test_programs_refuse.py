"""Input that both emitted programs refuse: exit code 2 and one line that says what is wrong."""

import re
from pathlib import Path

import pytest

from tests.support.refusals import pipelines, refusal
from tests.support.tiny_programs import FILES, GRAPH, Programs, blank_files

FILE_VARIABLES = ("LEAN_MLIR_INIT_LOAD", "LEAN_MLIR_INIT_DUMP", "LEAN_MLIR_TRACE_OUT")
VALUES = {
    "LEAN_MLIR_NO_SHUFFLE": ["", "0", "2", "01", " 1", "1\n", "true", "١"],
    "LEAN_MLIR_MAX_STEPS": [
        "",
        "0",
        "-1",
        "+5",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        " 7",
        "7\n",
        "nan",
        "²",
        "٣",
        str(2**53 + 1),
        "9" * 5000,
    ],
    "HARNESS_TRACE_CHANNELS": ["", "ALL", "all,none"],
    "LEAN_MLIR_INIT_LOAD": ["", "absent.bin", "folder", "short.bin", "long.bin"],
    "LEAN_MLIR_INIT_DUMP": ["", "absent/init.bin", "folder"],
    "LEAN_MLIR_TRACE_OUT": ["", "absent/trace.jsonl", "folder"],
}


@pytest.mark.parametrize(
    ("pipeline", "name", "value"),
    [
        pytest.param(
            pipeline,
            name,
            value,
            id=f"{pipeline}-{name}-{value[:20]!a}",
        )
        for name, values in VALUES.items()
        for value in values
        for pipeline in ("phase2", "phase3")
    ],
)
def test_a_bad_value_is_refused_by_name(
    programs: Programs, pipeline: str, name: str, value: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    for file, size in (("short.bin", 4 * GRAPH.total_params - 4), ("long.bin", 4 * GRAPH.total_params + 1)):
        (tmp_path / file).write_bytes(bytes(size))
    # The files are opened late; the rest is read before the data, so that none shows a value that was let through.
    data = programs.data if name in FILE_VARIABLES else tmp_path / "absent"
    line = refusal(programs, pipeline, tmp_path, data, **{name: value})
    assert name in line
    assert repr(value)[1:-1][:6] in line
    if value in ("short.bin", "long.bin"):
        assert str((tmp_path / value).stat().st_size) in line and str(4 * GRAPH.total_params) in line
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "short.bin", "long.bin"}


@pipelines
def test_a_refusal_is_exit_code_2_and_one_line(programs: Programs, pipeline: str, tmp_path: Path) -> None:
    """As above, but as a process of its own: nothing else speaks, and no traceback follows."""
    done = programs.start((*programs.command(pipeline), str(programs.data)), tmp_path, LEAN_MLIR_NO_SHUFFLE="0")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"[^\n]*LEAN_MLIR_NO_SHUFFLE is '0', expected [^\n]*\n", done.stderr)


@pytest.mark.parametrize("value", ["", "cpu", "CUDA", "vulkan"])
def test_phase_3_refuses_a_backend_that_it_does_not_know(programs: Programs, value: str, tmp_path: Path) -> None:
    line = refusal(programs, "phase3", tmp_path, tmp_path / "absent", IREE_BACKEND=value)
    assert f"IREE_BACKEND is {value!r}, expected llvm-cpu" in line


@pytest.mark.parametrize(("pipeline", "name"), [("phase2", "JAX_PLATFORMS"), ("phase3", "IREE_DEVICE")])
def test_a_device_that_is_not_there_is_told_in_one_line(
    programs: Programs, pipeline: str, name: str, tmp_path: Path
) -> None:
    words = (*programs.command(pipeline), str(programs.data))
    done = programs.start(words, tmp_path, LEAN_MLIR_MAX_STEPS="1", LEAN_MLIR_TRACE_OUT="trace", **{name: "nonsense"})
    assert done.returncode != 0 and "nonsense" in done.stderr
    assert done.stderr.count("\n") == 1


@pipelines
def test_the_data_folder_is_asked_for(programs: Programs, pipeline: str, tmp_path: Path) -> None:
    done = programs.start(programs.command(pipeline), tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "DATA" in done.stderr.upper()


DAMAGED_DATA = {
    "absent": None,
    "empty": {},
    "not-idx": dict.fromkeys(FILES, b"rubbish"),
    "cut": {name: content[:-1] for name, content in blank_files(16, 16).items()},
    "no-batch": blank_files(7, 7),
    "fewer-labels": blank_files(16, 15),
    "more-labels": blank_files(16, 17),
    "other-size": blank_files(64, 64, side=14),
    "label-10": blank_files(16, 16, label=10),
}


@pipelines
@pytest.mark.parametrize("what", DAMAGED_DATA)
def test_unusable_data_is_refused(programs: Programs, pipeline: str, what: str, tmp_path: Path) -> None:
    data = tmp_path / "damaged"
    if (files := DAMAGED_DATA[what]) is not None:
        data.mkdir()
        for name, content in files.items():
            (data / name).write_bytes(content)
    # What comes after the data: an error there shows data that were let through.
    line = refusal(programs, pipeline, tmp_path, data, LEAN_MLIR_INIT_LOAD="absent")
    assert "7" in line if what == "no-batch" else str(data) in line
