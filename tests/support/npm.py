"""Packages of any content, and a program that plays npm."""

import io
import stat
import sys
import tarfile
from pathlib import Path

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def tarball(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def use(folder: Path, body: str) -> None:
    script = folder / "npm"
    script.write_text(f"#!{sys.executable}\nimport json, os, pathlib, shutil, sys, time\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
