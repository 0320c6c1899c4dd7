"""The cache: only right bytes get in, whole or not at all, whatever a source, a signal or another fetch does."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data import DATASETS, MNIST, data_sha256
from harness.data import fetch as fetch_module
from harness.data.fetch import cache_root, cached_folder, fetch, fetch_files, is_cached
from harness.errors import DataError
from tests.support.fake_source import CONTENT, FACTS, Fake
from tests.support.paths import ROOT
from tests.support.processes import start


def get(folder: Path, *sources: Fake) -> Path:
    return fetch_files(FACTS, folder, sources, progress=True)


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_arrives(tmp_path: Path) -> None:
    source = Fake()
    folder = get(tmp_path / "new" / "tiny", source)
    assert folder == tmp_path / "new" / "tiny" and held(folder) == CONTENT
    assert source.asked == ["a", "b", "c", "d"] and source.closed


def test_good_files_are_kept_and_nothing_is_asked(tmp_path: Path) -> None:
    get(tmp_path, Fake())
    before = [(path.name, path.stat().st_ino) for path in sorted(tmp_path.iterdir())]
    source = Fake()
    get(tmp_path, source)
    assert source.asked == []
    assert [(path.name, path.stat().st_ino) for path in sorted(tmp_path.iterdir())] == before


@pytest.mark.parametrize("damage", [b"", CONTENT["c"][:-1], CONTENT["c"] + b"x", b"x" + CONTENT["c"][1:]])
def test_a_damaged_file_is_fetched_again_and_said(
    damage: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get(tmp_path, Fake())
    (tmp_path / "c").write_bytes(damage)
    capsys.readouterr()
    source = Fake()
    get(tmp_path, source)
    assert source.asked == ["c"] and held(tmp_path) == CONTENT
    assert f"{tmp_path / 'c'} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (CONTENT["a"][:-1], "a has 99999 bytes, expected 100000"),
        (CONTENT["a"] + b"a", "a is longer than the expected 100000 bytes"),
        (b"b" + CONTENT["a"][1:], "a has SHA-256 "),
    ],
)
def test_wrong_bytes_never_get_in(wrong: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        get(tmp_path, Fake(CONTENT | {"a": wrong}))
    message = str(caught.value)
    assert "\n" not in message and reason in message and "fake (" in message
    assert "--data DIR" in message and "--data synthetic" in message
    assert held(tmp_path) == {}


def test_the_next_source_goes_on_where_one_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Fake({"b": CONTENT["b"], "a": CONTENT["a"]}, complaint="connection lost", name="first")
    second = Fake(name="second")
    get(tmp_path, first, second)
    assert held(tmp_path) == CONTENT
    assert second.asked == ["c", "d"]
    assert "tiny: first failed: connection lost\n" in capsys.readouterr().err


def test_all_sources_are_named_with_their_reasons(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        get(tmp_path, Fake({}, "npm", "npm is not installed"), Fake({"d": CONTENT["d"]}, "mirror", "timed out"))
    assert str(caught.value) == (
        "tiny: no source delivered a, b, c: npm (npm is not installed); mirror (timed out). "
        "Use --data DIR with files of your own, or --data synthetic, or try `harness data fetch tiny` again."
    )
    assert held(tmp_path) == {"d": CONTENT["d"]}


def test_plain_lines_when_piped_and_nothing_when_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch_files(FACTS, tmp_path / "loud", [Fake()], progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "\x1b" not in err and "\r" not in err
    assert err.splitlines()[:2] == ["tiny: asking fake", "tiny: a: 100,000 bytes, SHA-256 as expected"]
    fetch_files(FACTS, tmp_path / "quiet", [Fake()], progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    child = _child(tmp_path, "finish", stderr=follower)
    os.close(follower)
    shown = b""
    try:
        while data := os.read(leader, 4096):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert child.wait(60) == 0
    assert b"\xe2\x94\x81" in shown and b"tiny: b: 6 bytes" in shown  # the bar's own character


def test_a_killed_fetch_leaves_no_file_that_passes(tmp_path: Path) -> None:
    assert _signal_in_c(tmp_path, signal.SIGKILL) == -signal.SIGKILL
    (part,) = tmp_path.glob(".*.part")
    assert sorted(path.name for path in tmp_path.iterdir() if path != part) == ["a", "b"]
    kept = (tmp_path / "a").stat().st_ino

    source = Fake()
    get(tmp_path, source)
    assert source.asked == ["c", "d"] and (tmp_path / "a").stat().st_ino == kept
    assert not part.exists()
    assert held(tmp_path) == CONTENT


def test_a_fetch_lets_the_file_alone_that_another_is_writing(tmp_path: Path) -> None:
    with _child(tmp_path, "stall in c") as child:
        try:
            deadline = time.monotonic() + 60
            while not (parts := list(tmp_path.glob(".c.*.part"))):
                assert child.poll() is None and time.monotonic() < deadline, "the fetch did not get to c"
                time.sleep(0.02)
            get(tmp_path, Fake())
            assert parts[0].exists()
        finally:
            child.kill()


def test_an_interrupted_fetch_leaves_no_temporary_file(tmp_path: Path) -> None:
    assert _signal_in_c(tmp_path, signal.SIGINT) not in (0, -signal.SIGKILL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_concurrent_fetches_do_not_disturb_each_other(tmp_path: Path) -> None:
    both_at_work = threading.Barrier(2)

    class Slow(Fake):
        def _chunks(self, data: bytes) -> Iterator[bytes]:
            both_at_work.wait(60)
            yield from super()._chunks(data)

    failures: list[BaseException] = []

    def run() -> None:
        try:
            fetch_files(FACTS, tmp_path, [Slow()], progress=False)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == [] and held(tmp_path) == CONTENT


def test_processes_that_fetch_at_once_all_end_well(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with (tmp_path / "said").open("wb") as said:
        children = [_child(folder, "finish", stderr=said.fileno()) for _ in range(3)]
        codes = [child.wait(60) for child in children]
    assert codes == [0, 0, 0], (tmp_path / "said").read_text()
    assert held(folder) == CONTENT


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that cannot be written, for root too: the effective user is an ordinary one meanwhile."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    folder = top / "cache"
    folder.mkdir(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.rmdir()
        top.rmdir()


def test_a_read_only_cache_is_one_line(read_only: Path) -> None:
    for folder in (read_only, read_only / "deeper"):
        with pytest.raises(DataError) as caught:
            get(folder, Fake())
        assert str(caught.value) == (
            f"{folder}: the cache cannot be written: Permission denied. "
            "Set HARNESS_CACHE to a folder that can, or use --data DIR."
        )


def test_a_complete_cache_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(tmp_path, Fake())

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Path, "mkdir", forbidden)
    monkeypatch.setattr(fetch_module, "replace_file", forbidden)
    assert get(tmp_path) == tmp_path


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"the cache cannot be written: [^\n]*$"):
        get(tmp_path / "file" / "tiny", Fake())
    (tmp_path / "tiny" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="not a regular file"):
        get(tmp_path / "tiny", Fake())


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        get(tmp_path, Fake())
    assert held(tmp_path) == {}


def test_the_cache_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    assert cached_folder("mnist") == tmp_path / "data" / "mnist"
    assert not is_cached("mnist")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", "here")
    assert cache_root() == tmp_path / "here"
    monkeypatch.setenv("HARNESS_CACHE", "")
    assert cache_root().is_absolute() and cache_root().name == "training-trace-harness"


def test_an_unknown_name_and_a_failed_fetch_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"^unknown data set 'minst'; did you mean 'mnist'\? Known are mnist, mnist-synthetic, cifar10, ",
    ):
        fetch("minst", tmp_path)
    with pytest.raises(DataError, match="mnist: no source delivered train-images"):
        fetch("mnist", tmp_path, progress=False, sources=[Fake({}, complaint="offline")])


def test_the_table_has_the_published_digest_of_mnist() -> None:
    assert all(name == facts.name for name, facts in DATASETS.items())
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in MNIST.mirrors)
    published = "42fba4f787e0b19e7faba1307d5c5dc0041cbd2298cdf4edfd6da61303aa1767"  # of the published file digests
    assert data_sha256((file.name, file.sha256) for file in MNIST.files) == published


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.support.fake_source import CONTENT, FACTS, Fake
from harness.data import fetch as fetch_module
from harness.data.fetch import fetch_files

class Stalling(Fake):
    def _chunks(self, data):
        yield data[:10]
        while {what!r} == "stall in c" and data == CONTENT["c"]:
            time.sleep(0.05)
        yield data[10:]

fetch_files(FACTS, Path({folder!r}), [Stalling()], progress=True)
"""


def _child(folder: Path, what: str, stderr: int | None = None) -> subprocess.Popen[bytes]:
    root = str(ROOT)
    code = CHILD.format(root=root, what=what, folder=str(folder))
    here = {name: value for name, value in os.environ.items() if name != "CI"}  # where nobody watches a bar
    environment = here | {"PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "120"}
    return start([sys.executable, "-c", code], stderr=stderr, env=environment)


def _signal_in_c(folder: Path, number: signal.Signals) -> int:
    """Run a fetch that stalls in the middle of the third file, signal it there and return what it ended with."""
    with _child(folder, "stall in c", stderr=subprocess.PIPE) as child:
        try:
            deadline = time.monotonic() + 60
            while not any(folder.glob(".c.*.part")):
                assert child.poll() is None and time.monotonic() < deadline, "the fetch did not get to c"
                time.sleep(0.02)
            child.send_signal(number)
            return child.wait(60)
        finally:
            child.kill()
