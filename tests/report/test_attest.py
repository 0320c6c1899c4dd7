"""Statements: they tell what a cell was made from, in a form that others read, and files are held to them."""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.errors import AttestationError
from harness.report.attest.make import write_statements
from harness.report.attest.signature import read_private_key, read_public_key
from harness.report.attest.verify import verify_statement
from harness.trace.manifest import manifest_path
from harness.trace.store import StoredCell, verified_cells
from tests.support.stored_cells import store

DIGESTS = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("emitted", "init", "data")}
PROVENANCE = {
    "versions": {"jax": "0.10.2", "ml_dtypes": "0.6.0+local/x"},
    "host": "secret-host",
    "compiler": "XLA",
    "compiler_flags": ["--a"],
    "environment": {"XLA_FLAGS": "--b"},
    "emitted_sha256": DIGESTS["emitted"],
    "compile_s": 1.5,
}


def a_cell(root: Path, pipeline: str = "phase2", **keys: Any) -> StoredCell:
    header = {"init_sha256": DIGESTS["init"], "data_sha256": DIGESTS["data"], "conventions": {"pool_ties": "first"}}
    return store(root, pipeline, **({"provenance": PROVENANCE, "header": header, "steps": 3} | keys))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private key and its public one, as files."""
    return write_keys(tmp_path, "key")


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    (folder / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return folder / f"{name}.pem", folder / f"{name}.pub"


def test_a_statement_tells_what_a_cell_was_made_from(tmp_path: Path) -> None:
    cell = a_cell(tmp_path / "cells")
    (path,) = write_statements(tmp_path / "attestations", [cell]).paths
    assert path == tmp_path / "attestations" / "cells" / "some_mlp.phase2-noshuf-cpu.intoto.json"
    told = json.loads(path.read_text())
    assert (told["_type"], told["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    files = [cell.trace, manifest_path(cell.trace)]
    assert told["subject"] == [{"name": f"cells/{f.name}", "digest": {"sha256": sha256(f)}} for f in files]
    build = told["predicate"]["buildDefinition"]
    external = build["externalParameters"]
    assert (external["cell"]["model"], external["cell"]["init_seed"], external["cell"]["steps"]) == ("some_mlp", 42, 3)
    assert external["config"]["seed"] == 314159
    assert external["conventions"] == {"pool_ties": "first"}
    internal = {"compiler": "XLA", "compiler_flags": ["--a"], "environment": {"XLA_FLAGS": "--b"}}
    assert build["internalParameters"] == internal
    assert build["resolvedDependencies"] == [
        {"name": "emitted program", "digest": {"sha256": DIGESTS["emitted"]}},
        {"name": "initial parameters", "digest": {"sha256": DIGESTS["init"]}},
        {"name": "data set mnist", "digest": {"sha256": DIGESTS["data"]}},
        {"uri": "pkg:pypi/jax@0.10.2"},
        {"uri": "pkg:pypi/ml-dtypes@0.6.0%2Blocal%2Fx"},
    ]
    assert told["predicate"]["runDetails"]["builder"]["id"].startswith("pkg:pypi/")
    assert "secret-host" not in path.read_text()
    assert str(tmp_path) not in path.read_text()


def test_a_whole_number_stays_one(tmp_path: Path) -> None:
    (path,) = write_statements(tmp_path / "attestations", [a_cell(tmp_path / "cells", init_seed=2**32)]).paths
    assert '"init_seed": 4294967296,' in path.read_text()
    assert '"seed": 314159\n' in path.read_text()
    assert '"label_smoothing": 0.0,' in path.read_text()


def test_a_verdict_is_bound_to_every_trace(tmp_path: Path) -> None:
    cells = [a_cell(tmp_path / "cells"), a_cell(tmp_path / "cells", "phase3")]
    verdict = tmp_path / "verdict.json"
    verdict.write_text("{}")
    *_, path = write_statements(tmp_path / "attestations", cells, verdict, parameters={"mode": "strict"}).paths
    assert path == tmp_path / "attestations" / "verdict.intoto.json"
    told = json.loads(path.read_text())
    assert told["subject"] == [{"name": "verdict.json", "digest": {"sha256": sha256(verdict)}}]
    build = told["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {"mode": "strict"}
    *traces, package = build["resolvedDependencies"]
    assert traces == [{"name": f"cells/{c.trace.name}", "digest": {"sha256": sha256(c.trace)}} for c in cells]
    assert package["uri"].startswith("pkg:pypi/training-trace-harness@")
    assert verify_statement(path).exit_code == 0
    verdict.write_text("{ }")
    assert verify_statement(path).exit_code == 1


def test_only_a_whole_cell_has_a_statement(tmp_path: Path) -> None:
    absent = store(tmp_path / "cells", "phase2", (), backend="cuda", status="refused", absent=True)
    crashed = a_cell(tmp_path / "cells", "phase3", status="crashed")
    altered = a_cell(tmp_path / "cells", "phase2")
    altered.trace.write_bytes(altered.trace.read_bytes().replace(b"2.0", b"3.0"))
    verdict = tmp_path / "verdict.json"
    verdict.write_text("{}")
    written = write_statements(tmp_path / "attestations", [absent, crashed, altered], verdict).paths
    assert [path.name for path in written] == ["some_mlp.phase3-noshuf-cpu.intoto.json", "verdict.intoto.json"]
    assert sha256(altered.trace) in written[-1].read_text()
    result = run("attest", "make", tmp_path / "cells", "-o", tmp_path / "a")
    assert (result.exit_code, "its manifest says" in result.stderr) == (2, True)
    assert not (tmp_path / "a").exists()


def test_cells_beside_a_report_are_named_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [a_cell(Path("imported") / host / "1", host=host) for host in ("a", "b")]
    paths = write_statements(Path("merged/attestations"), cells).paths
    stem = "some_mlp.phase2-noshuf-cpu.intoto.json"
    assert list(paths) == [Path("merged/attestations/imported") / host / "1" / stem for host in ("a", "b")]
    monkeypatch.chdir(tmp_path / "merged")
    assert [verify_statement(tmp_path / path).exit_code for path in paths] == [0, 0]


def test_cells_of_other_places_are_named_by_their_root(tmp_path: Path) -> None:
    cells = [a_cell(tmp_path / "elsewhere" / host / "x", host=host) for host in ("a", "b")]
    folder = tmp_path / "out" / "attestations"
    paths = write_statements(folder, cells).paths
    stem = "some_mlp.phase2-noshuf-cpu"
    assert [path.name for path in paths] == [f"{stem}.intoto.json", f"{stem}.2.intoto.json"]
    assert [verify_statement(path).exit_code for path in paths] == [3, 3]
    assert verify_statement(paths[1], tmp_path / "elsewhere" / "b" / "x").exit_code == 0


def test_every_kind_of_outcome_is_told(tmp_path: Path) -> None:
    kept, changed, lost = (a_cell(tmp_path / "cells", name) for name in ("phase2", "phase3", "phase3-xla"))
    made = run("attest", "make", tmp_path / "cells", "-o", tmp_path / "att")
    assert made.exit_code == 0, made.stderr
    paths = made.output.split()
    assert len(paths) == 3
    result = run("attest", "verify", *paths)
    assert (result.exit_code, result.output.count("  match  "), result.output.count("not signed")) == (0, 6, 3)
    changed.trace.write_bytes(changed.trace.read_bytes() + b" ")
    lost.trace.unlink()
    result = run("attest", "verify", *paths)
    assert result.exit_code == 1
    assert f"  mismatch  cells/{changed.trace.name}: SHA-256 {sha256(changed.trace)}\n" in result.output
    assert f"  missing   cells/{lost.trace.name}\n" in result.output
    assert f"  match     cells/{kept.trace.name}\n" in result.output
    by_name = {Path(path).name: path for path in paths}
    assert run("attest", "verify", by_name[f"{lost.name}.intoto.json"]).exit_code == 3
    assert run("attest", "verify", "--root", tmp_path / "cells", by_name[f"{kept.name}.intoto.json"]).exit_code == 3
    assert run("attest", "verify", tmp_path / "no", *paths).exit_code == 2


def test_a_signed_statement_holds_to_its_key_only(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    _, other = write_keys(tmp_path, "other")
    cell = a_cell(tmp_path / "cells")
    (path,) = run("attest", "make", cell.trace, "-o", tmp_path / "att", "--key", private).output.split()
    envelope = json.loads(Path(path).read_text())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    (unsigned,) = write_statements(tmp_path / "plain", [cell]).paths
    assert base64.b64decode(envelope["payload"]) == unsigned.read_bytes()
    without = run("attest", "verify", path)
    assert (without.exit_code, "signature not checked" in without.output) == (0, True)
    held = run("attest", "verify", "--key", public, path)
    assert (held.exit_code, ": signed by the key\n" in held.output) == (0, True)
    foreign = run("attest", "verify", "--key", other, path)
    assert (foreign.exit_code, ": not signed by the key\n" in foreign.output) == (1, True)
    bare = run("attest", "verify", "--key", public, unsigned)
    assert (bare.exit_code, "not signed, and the key asks for it" in bare.output) == (1, True)


def test_the_signature_is_the_standard_s(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    cell = a_cell(tmp_path / "cells")
    (path,) = write_statements(tmp_path / "att", [cell], signer=read_private_key(keys[0])).paths
    envelope = json.loads(path.read_text())
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"key").digest())
    assert base64.b64decode(envelope["signatures"][0]["sig"]) == key.sign(signed)
    public = read_public_key(keys[1])
    envelope["signatures"][0]["keyid"] = "somebody's own name for it"
    path.write_text(json.dumps(envelope))
    assert verify_statement(path, key=public).trusted
    for altered in (payload.replace(b"42", b"43"), payload + b" "):
        path.write_text(json.dumps(envelope | {"payload": base64.b64encode(altered).decode()}))
        assert not verify_statement(path, key=public).trusted
    for signatures in ([], [{"sig": ""}], [{"sig": "AAAA"}]):
        path.write_text(json.dumps(envelope | {"signatures": signatures}))
        assert not verify_statement(path, key=public).trusted


def test_what_is_no_key_is_refused(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    key = Ed25519PrivateKey.generate()
    (tmp_path / "locked.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    (tmp_path / "curve.pem").write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "text.pem").write_text("no key")
    cell = a_cell(tmp_path / "cells")
    for name in ("locked.pem", "curve.pem", "text.pem", public.name):
        with pytest.raises(AttestationError, match="no private Ed25519 key"):
            read_private_key(tmp_path / name)
        result = run("attest", "make", cell.trace, "-o", tmp_path / "att", "--key", tmp_path / name)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    for name in ("curve.pem", "text.pem", private.name):
        with pytest.raises(AttestationError, match="no public Ed25519 key"):
            read_public_key(tmp_path / name)
    assert not (tmp_path / "att").exists()


SOUND = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}],
    "predicateType": "https://example.org/any",
    "predicate": {"a": 1},
}


def envelope_of(**changes: Any) -> dict[str, Any]:
    payload = base64.b64encode(json.dumps(SOUND).encode()).decode()
    return {"payload": payload, "payloadType": "application/vnd.in-toto+json", "signatures": []} | changes


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        {},
        SOUND | {"_type": "https://in-toto.io/Statement/v0.1"},
        SOUND | {"_type": 1},
        SOUND | {"subject": []},
        SOUND | {"subject": None},
        SOUND | {"subject": [{"name": "a"}]},
        SOUND | {"subject": [{"name": "a", "digest": {"md5": "0" * 32}}]},
        SOUND | {"subject": [{"name": "a", "digest": {"sha256": "0"}}]},
        SOUND | {"subject": [{"name": "a", "digest": {"sha256": "G" * 64}}]},
        SOUND | {"subject": [{"digest": {"sha256": "0" * 64}}]},
        SOUND | {"predicateType": ""},
        SOUND | {"predicate": {}},
        SOUND | {"predicate": {"a": 10**400}},
        *(
            SOUND | {"subject": [{"name": name, "digest": {"sha256": "0" * 64}}]}
            for name in ("../a", "/etc/passwd", "a/../../b", "a//b", ".", "..", "a\\b", "a\n", "\x1b[31m", "a\0b", "a/")
        ),
        envelope_of(payload="?"),
        envelope_of(payload=base64.b64encode(b"{}").decode()),
        envelope_of(payload=None),
        envelope_of(payloadType="text/html"),
        envelope_of(payloadType=None),
        envelope_of(signatures=None),
        envelope_of(signatures=[1]),
        envelope_of(signatures=[{"sig": "?"}]),
    ],
)
def test_a_hostile_statement_gives_one_line(tmp_path: Path, content: bytes | dict[str, Any]) -> None:
    path = tmp_path / "statement.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    result = run("attest", "verify", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"harness: {path}: ")
    assert result.stderr.rstrip("\n").isprintable()


def test_somebody_else_s_statement_is_read(tmp_path: Path) -> None:
    path = tmp_path / "statement.json"
    (tmp_path / "a").write_text("a")
    for content in (SOUND | {"later": 1}, envelope_of(later=1)):
        path.write_text(json.dumps(content))
        assert [held.outcome for held in verify_statement(path).subjects] == ["mismatch"]


def test_what_is_no_file_is_no_statement(tmp_path: Path) -> None:
    with pytest.raises(AttestationError, match="not a regular file; expected a statement"):
        verify_statement(tmp_path)
    with pytest.raises(AttestationError, match="no such file; expected a statement"):
        verify_statement(tmp_path / "nothing")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(AttestationError, match="larger than"):
        verify_statement(tmp_path / "large")


def test_a_cell_that_no_statement_can_hold_is_said(tmp_path: Path) -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(60):
        deep = {"a": deep}
    for value in (deep, 10**400):
        cell = a_cell(tmp_path / "cells", header={"config_more": value} if value == deep else {"config": {"a": value}})
        other = a_cell(tmp_path / "cells", "phase3")
        written = write_statements(tmp_path / "att", [cell, other])
        assert [path.name for path in written.paths] == [f"{other.name}.intoto.json"]
        assert len(written.left_out) == 1
        assert f"{cell.name}.jsonl: cannot be told in a statement" in written.left_out[0]
        result = run("attest", "make", tmp_path / "cells", "-o", tmp_path / "att")
        assert (result.exit_code, result.stdout) == (2, f"{written.paths[0]}\n")
        assert "cannot be told in a statement" in result.stderr


def test_a_file_name_that_is_no_text_keeps_a_verdict_from_nothing(tmp_path: Path) -> None:
    cell = a_cell(tmp_path / os.fsdecode(b"\xff<b>"))
    verdict = tmp_path / "verdict.json"
    verdict.write_text("{}")
    written = write_statements(tmp_path / "att", [cell], verdict)
    assert [path.name for path in written.paths] == ["verdict.intoto.json"]
    assert sha256(cell.trace) in written.paths[0].read_text()
    assert "cannot be told" in written.left_out[0]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_nan=False)
    ),
    st.text(max_size=5),
)
def test_whatever_a_manifest_tells_gives_a_statement_or_one_line(
    tmp_path: Path, told: dict[str, Any], digest: str
) -> None:
    cell = a_cell(tmp_path / "cells", provenance=told, header={"init_sha256": digest, "data_sha256": digest})
    written = write_statements(tmp_path / "att", verified_cells([cell.trace]))
    assert len(written.paths) + len(written.left_out) == 1
    assert all(line.isprintable() for line in written.left_out)
    assert all(verify_statement(path).exit_code == 0 for path in written.paths)


def test_a_folder_stands_for_the_statements_in_it(tmp_path: Path) -> None:
    cells = [a_cell(tmp_path / "cells" / name) for name in ("a", "b")]
    write_statements(tmp_path / "att", cells)
    held = run("attest", "verify", tmp_path / "att")
    assert (held.exit_code, held.stdout.count("match")) == (0, 4)
    empty = run("attest", "verify", tmp_path / "cells")
    assert (empty.exit_code, empty.stderr.count("no statement in it; expected files named *.intoto.json")) == (2, 1)
