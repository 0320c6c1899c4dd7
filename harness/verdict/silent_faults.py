"""Known faults of compilers and drivers that give wrong numbers without a word: a pair may differ by one of them."""

import re
from collections.abc import Iterable

from harness.trace.known_trouble import KNOWN_TROUBLE
from harness.trace.recognition import affects
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow


def silent_faults(row: PairRow, cells: Iterable[StoredCell]) -> tuple[str, ...]:
    """Of a pair that differs, a sentence for each that the compiler and driver of one of its cells are known for."""
    if row.verdict is None or row.verdict.status != "FAIL":
        return ()
    found: dict[str, None] = {}
    for cell in cells:
        facts, told = cell.facts, cell.manifest.provenance
        versions = told.get("versions")
        known = versions if isinstance(versions, dict) else {}
        for trouble in KNOWN_TROUBLE:
            if not trouble.silent or trouble.backend != facts.backend or not affects(trouble, facts.pipeline, known):
                continue
            if re.search(trouble.driver, str(told.get("driver") or "")):
                found[
                    f"perhaps a known fault of {facts.backend} ({trouble.id}, {trouble.versions}): {trouble.symptom}. "
                    f"{trouble.workaround} `harness module isolate` names the operation."
                ] = None
    return tuple(found)
