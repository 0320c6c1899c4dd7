"""Compiled modules are executed: none is loaded that this user's harness did not compile and find as it was left."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import EmitError
from harness.run.compile import Compiled, compile_module, compiler_version
from harness.system.notice import note_once
from tests.support.compilers import use_compiler
from tests.support.paths import ROOT
from tests.support.processes import dies, start

TEXT = "module {}"


@pytest.fixture
def module_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one module in it; its compiler counts."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    use_compiler(tmp_path, monkeypatch)
    note_once.cache_clear()
    assert not compiled().cached
    return folder


def compiled(text: str = TEXT) -> Compiled:
    return compile_module(text, ["-x"], "m")


def forged(module: Path, content: bytes, seal: str = "0" * 64) -> None:
    """The module and a record that fits it, as far as somebody can make one without the secret."""
    module.write_bytes(content)
    module.with_suffix(".record").write_text(f"1.000 {hashlib.sha256(content).hexdigest()} {seal}")


def old_seal(module: Path) -> str:
    return module.with_suffix(".record").read_text().split()[-1]


def through_a_link(module: Path) -> None:
    aside = module.with_suffix(".aside")
    module.rename(aside)
    module.symlink_to(aside)


def another_module(module: Path) -> None:
    other = compiled("module { other }").path
    for suffix in (".vmfb", ".record"):
        shutil.copy(other.with_suffix(suffix), module.with_suffix(suffix))


def a_bit_flipped(module: Path) -> None:
    whole = module.read_bytes()
    module.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])


CHANGES: dict[str, Callable[[Path], object]] = {
    "a bit is flipped": a_bit_flipped,
    "truncated": lambda module: module.write_bytes(module.read_bytes()[:3]),
    "empty": lambda module: module.write_bytes(b""),
    "planted, with a record of its own": lambda module: forged(module, b"evil"),
    "planted, with the seal of what was there": lambda module: forged(module, b"evil", old_seal(module)),
    "swapped for another sealed one": another_module,
    "a link": through_a_link,
    "others may write it": lambda module: module.chmod(0o666),
    "a pipe in the place of its record": lambda module: (
        module.with_suffix(".record").unlink(),
        os.mkfifo(module.with_suffix(".record")),
    ),
    "sealed with another secret": lambda module: (
        (module.parents[2] / "seal.key").write_bytes(b"k" * 32),
        (module.parents[2] / "seal.key").chmod(0o600),
    ),
    "sealed with a secret that others know": lambda module: (module.parents[2] / "seal.key").chmod(0o644),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_module_that_is_not_vouched_for_is_not_loaded(
    module_cache: Path, change: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert compiled().cached
    CHANGES[change](compiled().path)
    again = compiled()
    assert not again.cached
    assert again.path.read_text() == TEXT
    assert compiled().cached
    said = capfd.readouterr().err
    assert said == (
        f"harness: modules in {module_cache}/iree are not as this user's harness left them, or came there another way; "
        "they are not loaded but compiled again.\n"
    )


@pytest.mark.parametrize("place", ["", "iree", ".."])
def test_a_cache_that_others_can_write_is_not_used(
    module_cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], place: str
) -> None:
    text = f"module {{ with {place or 'all of it'} }}"
    inside = compiled(text).path
    open_place = (module_cache / place).resolve()
    before = open_place.stat().st_mode
    open_place.chmod(0o777)
    try:
        forged(inside, b"evil")
        first, second = compiled(text), compiled(text)
        assert (first.cached, second.cached) == (False, True)
        assert first.path == second.path and module_cache not in first.path.parents
        assert first.path.read_text() == text
        assert first.path.parent.stat().st_mode & 0o777 == 0o700
        said = capfd.readouterr().err
        assert said == (
            "harness: compiled modules are not taken from the cache and not kept: "
            f"{open_place} can be written by other users. Set HARNESS_CACHE to a folder that only you can write.\n"
        )
    finally:
        open_place.chmod(before)


def test_what_a_killed_compilation_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    use_compiler(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    code = (
        "import harness.run.compile as c, sys\n"
        f"c.find_tool = lambda name: {str(tmp_path / 'iree-compile')!r}\n"
        f"c.compile_module({TEXT!r}, ['-x'], 'm')\n"
    )
    with start([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE) as child:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        use_compiler(tmp_path, monkeypatch)
        compiled("module { of the living }")
        (left,) = (cache / "iree").glob(".scratch-*")  # it is at work
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    assert dies(int((tmp_path / "pid").read_text()))
    assert left.exists()
    compiled()
    assert not left.exists()
    files = [path for path in (cache / "iree").rglob("*") if path.is_file()]
    assert {path.suffix or path.name for path in files} == {".vmfb", ".record", "compiler"}


def test_without_the_compiler_its_modules_are_found_and_others_are_refused(
    module_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = compiler_version()
    monkeypatch.setattr("harness.run.compile.package_version", lambda name: None)
    assert compiled().cached
    assert compiler_version() == version
    with pytest.raises(EmitError, match=r"iree-base-compiler is not installed, and the cache has no module of -x\."):
        compiled("module { another }")
    (module_cache / "iree" / "compiler").write_text("9.9")  # no seal is needed: nothing is found by a wrong one
    with pytest.raises(EmitError, match="is not installed"):
        compiled()
    (module_cache / "iree" / "compiler").unlink()
    with pytest.raises(EmitError, match="has no modules"):
        compiler_version()
