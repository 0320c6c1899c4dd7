"""In-toto statements about cells and verdicts.

`in-toto-attestation` knows the format and checks what is written here and what is read. The documents themselves are
plain dicts, since its messages make floats of integers: a seed of 42 has to stay one.

Type URIs are package URLs of this project with a fragment, since a statement outlives any address of a web page.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import STATEMENT_TYPE_URI, Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from harness import __version__
from harness.errors import AttestationError
from harness.trace.format import TraceHeader, one_line
from harness.trace.store import StoredCell

SUFFIX = ".intoto.json"
PROVENANCE = "https://slsa.dev/provenance/v1"
PACKAGE = "training-trace-harness"
BUILDER = f"pkg:pypi/{PACKAGE}"
CELL_BUILD = f"{BUILDER}#cell/v1"
VERDICT_BUILD = f"{BUILDER}#verdict/v1"

_UNTELLABLE = (json_format.Error, ValueError, TypeError, OverflowError, RecursionError)
_NOT_INTERNAL = ("versions", "emitted_sha256", "host", "compile_s", "compile_cached")

Document = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A file that a statement is about. `name`: a path that tells nothing about the machine."""

    name: str
    sha256: str


def cell_statement(cell: StoredCell, header: TraceHeader, subjects: Sequence[Subject]) -> Document:
    """Provenance of the files of a cell, `subjects`.

    What was asked for is external: the cell's facts, the configuration, the conventions. What the host brought along is
    internal: compiler, flags, environment, processor; its name is not told. What went in are dependencies: the emitted
    program, the initial parameters, the data, the packages.

    Raises: AttestationError when the files hold what no statement can.
    """
    told = cell.manifest.provenance
    versions = told.get("versions")
    packages = {k: v for k, v in versions.items() if isinstance(v, str)} if isinstance(versions, dict) else {}
    inputs = {
        "emitted program": told.get("emitted_sha256") or header.emitted_sha256,
        "initial parameters": header.init_sha256,
        f"data set {header.dataset}": header.data_sha256,
    }
    external = {
        "cell": msgspec.to_builtins(cell.facts),
        "network": {"name": header.netspec_name, "sha256": header.netspec_hash, "parameters": header.total_params},
        "config": header.config,
        "conventions": header.conventions or {},
    }
    internal = {name: value for name, value in told.items() if name not in _NOT_INTERNAL}
    dependencies = [_resource(name, str(digest)) for name, digest in inputs.items() if is_digest(digest)]
    dependencies += [_package(name, version) for name, version in packages.items()]
    return _statement(subjects, CELL_BUILD, external, internal, dependencies, packages.get(PACKAGE, "unknown"))


def verdict_statement(verdict: Subject, traces: Sequence[Subject], parameters: Mapping[str, Any]) -> Document:
    """Provenance of a verdict: its traces and the version that reached it. `parameters`: those of judging.

    The file of the verdict is the subject and was made from the traces, so this is provenance as well. A test result of
    in-toto has what was tested as its subject, and would say nothing about the file that holds the evidence.

    Raises: AttestationError.
    """
    dependencies = [_resource(trace.name, trace.sha256) for trace in traces]
    dependencies.append(_package(PACKAGE, __version__))
    return _statement([verdict], VERDICT_BUILD, dict(parameters), {}, dependencies, __version__)


def parse_statement(text: bytes) -> list[Subject]:
    """The subjects of a statement that anybody wrote; its claims are not looked at.

    Raises: AttestationError without the name of the file.
    """
    try:
        message = json_format.Parse(text, StatementMessage(), ignore_unknown_fields=True)
        Statement.copy_from_pb(message).validate()
    except _UNTELLABLE as error:
        raise AttestationError(f"not an in-toto statement: {one_line(error).rstrip('.')}.") from None
    subjects = [Subject(subject.name, subject.digest.get("sha256", "")) for subject in message.subject]
    for subject in subjects:
        if not is_digest(subject.sha256):
            raise AttestationError(f"subject {one_line(subject.name)!r}: expected `sha256`, 64 hex digits.")
    return subjects


def is_digest(value: object) -> bool:
    """True for a SHA-256 in hex."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _statement(
    subjects: Sequence[Subject],
    build_type: str,
    external: Document,
    internal: Document,
    dependencies: Sequence[Document],
    version: str,
) -> Document:
    predicate = {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": external,
            "internalParameters": internal,
            "resolvedDependencies": list(dependencies),
        },
        "runDetails": {"builder": {"id": BUILDER, "version": {PACKAGE: version}}},
    }
    document = {
        "_type": STATEMENT_TYPE_URI,
        "subject": [_resource(subject.name, subject.sha256) for subject in subjects],
        "predicateType": PROVENANCE,
        "predicate": predicate,
    }
    try:
        json_format.ParseDict(predicate, Provenance())
        parse_statement(encode_statement(document))
    except _UNTELLABLE as error:
        raise AttestationError(
            f"{one_line(subjects[0].name)}: cannot be told in a statement: {one_line(error)}."
        ) from None
    return document


def encode_statement(document: Document) -> bytes:
    """The bytes of a statement's file, which are also what is signed."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _resource(name: str, sha256: str) -> Document:
    return {"name": name, "digest": {"sha256": sha256}}


def _package(name: str, version: str) -> Document:
    return {"uri": f"pkg:pypi/{quote(name.lower().replace('_', '-'), safe='')}@{quote(version, safe='')}"}
