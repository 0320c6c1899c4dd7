"""Bundles that lie: each is refused with one line, and nothing of it is ever seen."""

import gzip
import json
import os
import resource
import struct
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BundleError
from harness.night.bundle import format as bundle_format
from harness.night.bundle.format import MOST_BYTES, MOST_MEMBERS
from harness.night.bundle.gather import gather
from harness.night.bundle.land import import_bundle
from harness.night.bundle.write import write_bundle
from tests.support.bundles import bundle_text, header, listing, member, packed, sha256, tar, write_bundle_of
from tests.support.stored_cells import store

TRACE = "some_mlp.phase2-noshuf-cpu.jsonl"
MANIFEST = "some_mlp.phase2-noshuf-cpu.manifest.json"
GIB = 1 << 30
PLAN = b'{"night": "2026-01-01", "started": "2026-01-01T03:00:00Z", "config": ""}'


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The files of a sound cell, by their names."""
    store(tmp_path / "cells", "phase2")
    write_bundle(tmp_path / "sound.tar.gz", gather([tmp_path / "cells"]))
    found = bundle_text(tmp_path / "sound.tar.gz")
    del found["bundle.json"]
    return found


def refusal(bundle: Path) -> str:
    """Message for a bundle of which nothing must be left, beside the files that are there already."""
    into = bundle.parent / "in"
    kept = into / "host" / "1" / "kept.manifest.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("kept")
    with pytest.raises(BundleError) as caught:
        import_bundle(bundle, into)
    assert [path.relative_to(into).as_posix() for path in sorted(into.rglob("*"))] == [
        "host",
        "host/1",
        "host/1/kept.manifest.json",
    ]
    assert kept.read_text() == "kept"
    message = str(caught.value)
    assert message.startswith(f"{bundle}: ")
    assert message.isprintable()
    assert ".importing" not in message
    return message.removeprefix(f"{bundle}: ").removesuffix(" Nothing of it was imported.")


def raw(path: Path, *parts: bytes) -> Path:
    path.write_bytes(packed(tar(parts)))
    return path


def test_the_sound_one_is_taken(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert import_bundle(write_bundle_of(tmp_path / "a", files), tmp_path / "in").new == 1


NAMES = [
    "../evil.jsonl",
    "cells/../../evil.jsonl",
    "/etc/evil.jsonl",
    "//evil.jsonl",
    "./evil.jsonl",
    "cells//evil.jsonl",
    ".hidden.jsonl",
    "cells/.hidden/evil.jsonl",
    "..",
    "",
    "C:\\evil.jsonl",
    "..\\evil.jsonl",
    "evil\x1b[31m.jsonl",
    "evil\n.jsonl",
    "evil*.jsonl",
    "evil\u202e.jsonl",
    "<script>.jsonl",
    "a/" * 13 + "evil.jsonl",
    "evil.py",
    "evil.jsonl.gz",
    "evil",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, files: dict[str, bytes], name: str) -> None:
    expected = (
        "no name for a file of a bundle",
        "neither a trace (.jsonl), a state",
        "sound header",
        "leads out of the bundle",
    )
    listed = refusal(write_bundle_of(tmp_path / "listed", files | {name: b"{}"}))
    assert any(what in listed for what in expected)
    unlisted = refusal(write_bundle_of(tmp_path / "unlisted", files, member(name, b"{}")))
    assert any(what in unlisted for what in expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.CONTTYPE, "of a kind that bundles do not have"),
        (tarfile.GNUTYPE_SPARSE, "of a kind that bundles do not have"),
        (tarfile.GNUTYPE_LONGNAME, "of a kind that bundles do not have"),
        (tarfile.XHDTYPE, "of a kind that bundles do not have"),
        (tarfile.XGLTYPE, "of a kind that bundles do not have"),
        (b"Z", "of a kind that bundles do not have"),
    ],
)
@pytest.mark.parametrize("link", ["/etc/passwd", "../../evil", MANIFEST])
def test_only_files_are_members(tmp_path: Path, files: dict[str, bytes], kind: bytes, expected: str, link: str) -> None:
    assert expected in refusal(write_bundle_of(tmp_path / "a", files, header("evil.jsonl", 0, kind, link)))
    assert expected in refusal(raw(tmp_path / "b", header("bundle.json", 0, kind, link)))
    parts = [member("bundle.json", listing(files)), header(TRACE, len(files[TRACE]), kind, link)]
    assert expected in refusal(raw(tmp_path / "c", *parts))


def test_members_are_those_listed(tmp_path: Path, files: dict[str, bytes]) -> None:
    twice = refusal(write_bundle_of(tmp_path / "a", files, member(TRACE, files[TRACE])))
    assert twice == f"{TRACE}: is in it twice."
    other = refusal(write_bundle_of(tmp_path / "b", files, member("other.jsonl", b"{}")))
    assert other == "other.jsonl: is not listed in bundle.json."
    parts = [member("bundle.json", listing(files)), member(TRACE, files[TRACE])]
    assert refusal(raw(tmp_path / "c", *parts)) == f"{MANIFEST}: is listed in bundle.json and not there."
    entries = json.loads(listing(files))["members"]
    assert f"lists {entries[0]['name']} twice" in refusal(
        write_bundle_of(tmp_path / "d", files, members=[*entries, entries[0]])
    )
    assert refusal(raw(tmp_path / "e", *(member(*file) for file in files.items()))).startswith("no bundle: ")
    assert refusal(raw(tmp_path / "f")).startswith("no bundle: ")
    second = member("bundle.json", listing(files))
    assert "neither a trace" in refusal(write_bundle_of(tmp_path / "g", files, second))


def test_a_file_under_another_spelling_or_in_the_place_of_a_folder_is_refused(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    under = {"a.jsonl": b"", "a.jsonl/b.jsonl": b""}
    assert "in the way of another member" in refusal(write_bundle_of(tmp_path / "a", files | under))
    over = {"a.jsonl/b.jsonl": b"", "a.jsonl": b""}
    assert "in the way of another member" in refusal(write_bundle_of(tmp_path / "b", files | over))


def test_contents_are_held_to_their_digests(tmp_path: Path, files: dict[str, bytes]) -> None:
    changed = files | {TRACE: files[TRACE].replace(b"2.0", b"2.5")}
    parts = [member(*file) for file in changed.items()]
    assert f"{TRACE}: SHA-256 {sha256(changed[TRACE])}; bundle.json says" in refusal(
        raw(tmp_path / "a", member("bundle.json", listing(files)), *parts)
    )
    assert f"{TRACE}: SHA-256 {sha256(changed[TRACE])}; its manifest says" in refusal(
        write_bundle_of(tmp_path / "b", changed)
    )
    longer = [member("bundle.json", listing(files)), member(TRACE, files[TRACE] + b" ")]
    assert "its header says" in refusal(raw(tmp_path / "c", *longer))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bundle_version": 2}, "format version 2; this harness reads version 1."),
        ({"bundle_version": "1"}, "not a list of members"),
        ({"bundle_version": None}, "not a list of members"),
        ({"host": "another"}, "names host 'another', and its manifests 'host a'"),
        ({"host": "../../evil"}, "names host '../../evil'"),
        ({"host": 1}, "not a list of members"),
        ({"members": {}}, "not a list of members"),
        ({"members": []}, "is not listed"),
        ({"members": [{"name": TRACE, "size": -1, "sha256": "0" * 64}]}, "not a list of members"),
        ({"members": [{"name": TRACE, "size": 1, "sha256": "0"}]}, "not a list of members"),
        ({"members": [{"name": TRACE, "size": 1, "sha256": "0" * 64, "mode": 4095}]}, "not a list of members"),
        ({"members": [{"name": TRACE, "size": 10**400, "sha256": "0" * 64}]}, "not a list of members"),
        (
            {"members": [{"name": f"{n}.jsonl", "size": 0, "sha256": "0" * 64} for n in range(MOST_MEMBERS + 1)]},
            "20,001",
        ),
        ({"more": 1}, "not a list of members"),
    ],
)
def test_a_list_that_is_none_is_refused(
    tmp_path: Path, files: dict[str, bytes], changes: dict[str, object], expected: str
) -> None:
    assert expected in refusal(write_bundle_of(tmp_path / "a", files, **changes))


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b"null", b'{"bundle_version":1}'])
def test_a_list_that_does_not_parse_is_refused(tmp_path: Path, text: bytes) -> None:
    assert "bundle.json: not a list of members" in refusal(raw(tmp_path / "a", member("bundle.json", text)))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (MANIFEST, b"{", "not a manifest"),
        (MANIFEST, b'{"status":"complete"}', "says nothing about its cell"),
        (MANIFEST, b"[" * 100_000, "not a manifest"),
        (TRACE, b"", "the file is empty"),
        (TRACE, b"{}\n", "not a header"),
        (TRACE, b"x" * (2 << 20), "longer than"),
        ("night.json", b'{"a":', "night.json: not JSON"),
        ("night.json", b"[" * 100_000, "night.json: not JSON"),
        ("night.json", b"[]", "a night that no report can be made of: night.json: not the plan of a night"),
        ("stray.jsonl", b"", "stray.jsonl: is of no cell with a manifest"),
        ("stray.partial.jsonl", b"", "stray.partial.jsonl: is of no cell with a manifest"),
        ("some_mlp.phase2-noshuf-cpu.partial.jsonl", b"", "is of no cell with a manifest"),
        ("checks/oracle.json", b"{}", "checks/oracle.json: is of no cell with a manifest, and of no night"),
        ("settings.json", b"{}", "settings.json: is of no cell"),
    ],
)
def test_what_makes_no_whole_cell_is_refused(
    tmp_path: Path, files: dict[str, bytes], name: str, content: bytes, expected: str
) -> None:
    assert expected in refusal(write_bundle_of(tmp_path / "a", files | {name: content}))


def test_a_bundle_without_a_cell_is_refused(tmp_path: Path) -> None:
    assert refusal(write_bundle_of(tmp_path / "a", {})) == "the bundle: no cell there; expected traces with manifests."
    assert "no cell there" in refusal(write_bundle_of(tmp_path / "b", {"night.json": PLAN}))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("checks/a.json", b"{}", "not a check"),
        ("checks/a.json", b"\xff", "not JSON"),
        ("checks/a.json", b'{"name": "<b>"}', "not a check"),
        ("findings.json", b"[]", "not findings"),
        ("problems.json", b"[", "not JSON"),
        ("checks/deep/a.json", b"{}", "is of no cell with a manifest, and of no night"),
        ("verdict.json", b"{}", "is of no cell with a manifest, and of no night"),
    ],
)
def test_a_night_that_no_report_can_be_made_of_is_refused(
    tmp_path: Path, files: dict[str, bytes], name: str, content: bytes, expected: str
) -> None:
    assert expected in refusal(write_bundle_of(tmp_path / "a", files | {"night.json": PLAN, name: content}))


def spends_nothing(bundle: Path) -> str:
    """The refusal, of which neither memory nor files of that size are had on the way."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, limit[1]))
    tracemalloc.start()
    try:
        message = refusal(bundle)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    return message


def test_a_header_that_claims_ten_gigabytes_is_refused_unread(tmp_path: Path, files: dict[str, bytes]) -> None:
    start = member("bundle.json", listing(files))
    assert "its header says 10,737,418,240 bytes" in spends_nothing(raw(tmp_path / "a", start, header(TRACE, 10 * GIB)))
    first = raw(tmp_path / "b", header("bundle.json", 10 * GIB))
    assert "bundle.json: 10,737,418,240 bytes; such a file has at most" in spends_nothing(first)
    entry = {"size": 10 * GIB, "sha256": "0" * 64}
    told = listing(files, members=[{"name": TRACE, **entry}])
    assert "10,737,418,240 bytes; such a file has at most 1,073,741,824" in spends_nothing(
        raw(tmp_path / "c", member("bundle.json", told), header(TRACE, 10 * GIB))
    )
    assert "10,737,418,240 bytes; such a file has at most 16,777,216" in spends_nothing(
        raw(tmp_path / "d", member("bundle.json", listing(files, members=[{"name": MANIFEST, **entry}])))
    )
    many = [{"name": f"{n}.jsonl", "size": GIB, "sha256": "0" * 64} for n in range(11)]
    assert "lists more than" in spends_nothing(raw(tmp_path / "e", member("bundle.json", listing(files, members=many))))
    negative = bytearray(header(TRACE))
    negative[124:136] = b"\xff" * 11 + b"\xf0"
    negative[148:156] = b" " * 8
    negative[148:156] = f"{sum(negative):06o}\0 ".encode()
    assert "no sound header" in refusal(raw(tmp_path / "f", start, bytes(negative)))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_an_extended_header_of_any_size_is_refused_unread(tmp_path: Path, files: dict[str, bytes], kind: bytes) -> None:
    parts = [member("bundle.json", listing(files)), header("long", GIB, kind), bytes(200 << 20)]
    assert "of a kind that bundles do not have" in spends_nothing(raw(tmp_path / "a", *parts))


def test_a_bundle_that_unpacks_without_end_is_stopped(tmp_path: Path, files: dict[str, bytes]) -> None:
    size = 300 << 20
    zeros = gzip.compress(bytes(size))
    assert len(zeros) < 400_000
    start = member("bundle.json", listing(files, members=[{"name": TRACE, "size": size, "sha256": "0" * 64}]))
    bomb = tmp_path / "a"
    bomb.write_bytes(packed(start + header(TRACE, size)) + zeros)
    assert "lists more than" in spends_nothing(bomb)
    lying = tmp_path / "b"
    lying.write_bytes(
        packed(tar([member("bundle.json", listing(files)), *(member(*f) for f in files.items())])) + zeros
    )
    assert "goes on behind its end" in spends_nothing(lying)
    headless = tmp_path / "c"
    headless.write_bytes(packed(member("bundle.json", b" " * (8 << 20)) + bytes(512)) + zeros)
    assert "not a list of members" in spends_nothing(headless)


def test_the_stream_itself_is_counted(tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_format, "FREE_BYTES", 3000)
    monkeypatch.setattr(bundle_format, "MOST_RATIO", 1)
    assert "which is the most for a bundle of its size" in refusal(write_bundle_of(tmp_path / "a", files))
    assert bundle_format.most_unpacked(MOST_BYTES) == MOST_BYTES


DAMAGES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("empty", lambda whole: b""),
    ("no gzip", lambda whole: b"PK\3\4" + whole),
    ("cut in the header", lambda whole: whole[:7]),
    ("cut in the middle", lambda whole: whole[: len(whole) // 2]),
    ("cut before the checksum", lambda whole: whole[:-8]),
    ("cut before the length", lambda whole: whole[:-4]),
    ("wrong checksum", lambda whole: whole[:-8] + bytes(4) + whole[-4:]),
    ("wrong length", lambda whole: whole[:-4] + struct.pack("<I", 5)),
    ("garbage behind", lambda whole: whole + b"garbage"),
    ("another behind", lambda whole: whole + whole),
    ("no tar", lambda whole: packed(b"x" * 2048)),
    ("tar without an end", lambda whole: packed(gzip.decompress(whole).rstrip(b"\0"))),
    ("tar cut", lambda whole: packed(gzip.decompress(whole)[:700])),
]


@pytest.mark.parametrize("damage", [damage for _, damage in DAMAGES], ids=[name for name, _ in DAMAGES])
def test_a_damaged_file_is_refused(tmp_path: Path, files: dict[str, bytes], damage: Callable[[bytes], bytes]) -> None:
    bundle = write_bundle_of(tmp_path / "a", files)
    bundle.write_bytes(damage(bundle.read_bytes()))
    assert refusal(bundle)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("folder", "not a regular file"), ("pipe", "not a regular file"), ("nothing", "no such file")):
        with pytest.raises(BundleError, match=f"{name}: {what}; expected a bundle"):
            import_bundle(tmp_path / name, tmp_path / "in")


@settings(max_examples=100)
@given(st.data())
def test_no_change_of_a_byte_passes_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    store(folder / "cells", "phase2")
    bundle = folder / "a"
    write_bundle(bundle, gather([folder / "cells"]))
    content = bytearray(gzip.decompress(bundle.read_bytes()))
    where = data.draw(st.integers(0, len(content) - 1))
    content[where] ^= data.draw(st.integers(1, 255))
    sound = folder / "sound"
    import_bundle(bundle, sound)
    bundle.write_bytes(packed(bytes(content)))
    try:
        import_bundle(bundle, folder / "in")
    except BundleError as error:
        assert str(error).isprintable()
        assert list((folder / "in").iterdir()) == []
    else:  # what no one reads: the version of the harness that wrote it
        arrived = {path.relative_to(folder / "in"): path.read_bytes() for path in (folder / "in").rglob("*.json*")}
        assert arrived == {path.relative_to(sound): path.read_bytes() for path in sound.rglob("*.json*")}
