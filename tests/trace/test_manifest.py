import json
import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import TraceError
from harness.trace.manifest import Manifest, manifest_path, read_manifest, write_manifest

WHOLE = Manifest(
    status="complete",
    steps_written=5616,
    trace_sha256="ab" * 32,
    test_accuracy=0.9843,
    test_correct=9843,
    test_total=10000,
    wall_s=31.5,
    exit_code=0,
    provenance={"versions": {"jax": "0.10.2"}, "compiler_flags": ["--x"]},
)
KEYS = [
    "manifest_version status reason cell steps_written trace_sha256 test_accuracy test_correct test_total wall_s",
    "exit_code signal stderr_tail known_trouble states provenance",
]


def complaint(path) -> str:
    with pytest.raises(TraceError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}:1: ")
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(f"{path}:1: ")


@pytest.mark.parametrize("manifest", [WHOLE, Manifest(status="crashed", reason="segmentation fault", signal="SIGSEGV")])
def test_what_is_written_is_read(tmp_path, manifest):
    path = tmp_path / "a.manifest.json"
    write_manifest(path, manifest)
    assert read_manifest(path) == manifest


def test_every_key_is_written_even_when_it_holds_nothing(tmp_path):
    path = tmp_path / "a.manifest.json"
    write_manifest(path, Manifest(status="refused", reason="no device"))
    written = json.loads(path.read_text())
    assert list(written) == " ".join(KEYS).split()
    assert written["manifest_version"] == 1
    assert written["signal"] is None
    assert path.read_text().endswith("}\n")
    assert path.read_text().startswith('{\n  "manifest_version": 1,\n')


def test_writing_replaces_whole_files_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.manifest.json"
    write_manifest(path, Manifest(status="interrupted"))
    old = path.stat().st_ino
    write_manifest(path, WHOLE)
    assert path.stat().st_ino != old
    assert [p.name for p in tmp_path.iterdir()] == ["a.manifest.json"]


def test_a_failed_write_leaves_the_old_manifest(tmp_path):
    path = tmp_path / "a.manifest.json"
    write_manifest(path, WHOLE)
    with pytest.raises(TypeError):
        write_manifest(path, Manifest(status="crashed", provenance={"x": object()}))
    assert read_manifest(path) == WHOLE
    assert [p.name for p in tmp_path.iterdir()] == ["a.manifest.json"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not a manifest: Input data was truncated."),
        (b"[]", "not a manifest: Expected `object`, got `array`."),
        (b"\xff", "not UTF-8; expected a manifest as JSON."),
        (b'{"manifest_version":1}', "not a manifest: Object missing required field `status`."),
        (
            b'{"manifest_version":2,"status":"complete"}',
            "not a manifest: Invalid enum value 2 - at `$.manifest_version`.",
        ),
        (b'{"status":"fine"}', "not a manifest: Invalid enum value 'fine' - at `$.status`."),
        (b'{"status":"complete","steps_written":-1}', "not a manifest: "),
        (b'{"status":"complete","steps_written":true}', "not a manifest: "),
        (
            b'{"status":"complete","test_accuracy":98.4}',
            "not a manifest: Expected `float` <= 1.0 - at `$.test_accuracy`.",
        ),
        (b'{"status":"complete","test_accuracy":NaN}', "not a manifest: "),
        (b"[" * 100_000, "not a manifest: "),
        (
            b'{"status":"complete","test_correct":11,"test_total":10}',
            "not a manifest: test_correct is 11 of test_total 10",
        ),
        (b'{"status":"complete","test_correct":' + b"9" * 400 + b"}", "not a manifest: "),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, content, expected):
    path = tmp_path / "a.manifest.json"
    path.write_bytes(content)
    assert complaint(path).startswith(expected)


def test_a_missing_manifest_and_a_directory(tmp_path):
    assert complaint(tmp_path / "a.manifest.json") == "cannot be read: No such file or directory."
    assert complaint(tmp_path) == "cannot be read: Is a directory."


def test_unknown_keys_are_ignored(tmp_path):
    path = tmp_path / "a.manifest.json"
    path.write_text('{"status": "complete", "later": {"x": 1}}')
    assert read_manifest(path).status == "complete"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_no_bytes_give_a_traceback(tmp_path, content):
    path = tmp_path / "a.manifest.json"
    path.write_bytes(content)
    try:
        read_manifest(path)
    except TraceError as error:
        assert str(error).isprintable()


def test_the_manifest_lies_beside_its_trace(tmp_path):
    for name in ("a.b.jsonl", "a.b.jsonl.gz", "a.b.partial.jsonl", "a.b.partial.jsonl.gz"):
        assert manifest_path(tmp_path / name) == tmp_path / "a.b.manifest.json"
    assert manifest_path("a.txt").name == "a.txt.manifest.json"


def test_a_manifest_is_readable_by_others(tmp_path):
    path = tmp_path / "a.manifest.json"
    old = os.umask(0o022)
    try:
        write_manifest(path, WHOLE)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
