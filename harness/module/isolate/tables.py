"""What `harness module isolate` prints, for people and as JSON."""

from collections.abc import Sequence
from typing import Any

from harness.module.isolate.places import OpPlace
from harness.module.isolate.reproducer import ModuleReproducer
from harness.module.isolate.search import IsolatedFault, Isolation
from harness.module.tables import finite, ratio_text
from harness.module.words import DOUBT, FAULT
from harness.system.files import json_document
from harness.system.text import Document, Table


def isolated(isolation: Isolation, reproducers: Sequence[ModuleReproducer], form: str, inputs: str) -> Document | str:
    """What a search found. `inputs`: SHA-256 of what the module was fed."""
    if form == "json":
        return json_document(_facts(isolation, reproducers, inputs), indent=2).decode()
    compared = [piece for window in isolation.windows for piece in window.compared]
    count = sum(len(window.part.operations) for window in compared)
    largest = max((window.ratio for window in compared), default=0.0)
    told = f"{isolation.module.path} on {isolation.executor.name}: {len(isolation.windows)} windows, "
    some = sum(bool(window.compared) for window in isolation.windows)
    told += f"{some} of them compared, {count} operations; largest ratio {ratio_text(largest)}."
    blocks: list[str | Table] = [told]
    if isolation.faults:
        rows = [_row(fault) for fault in isolation.faults]
        head = ("verdict", "operations", "wrong in", "ratio", "error", "reference confirmed by", "note")
        blocks += ["", Table(head, rows, right=("ratio", "error"), wrapped=True)]
    elif compared and largest < DOUBT and not isolation.refused and not isolation.unreached:
        blocks.append("Every window is off by rounding alone.")
    if isolation.whole is not None:
        blocks.append(f"The whole: {isolation.whole.word}. Last procedure: {isolation.procedure}.")
    blocks += map(str, isolation.left)
    if isolation.unreached:
        blocks.append(f"{isolation.unreached} windows were not reached: the reference of one before them is missing.")
    for first, last in isolation.fleeting:
        blocks.append(f"Race: operations from {first} to {last} were wrong together in one run, and never again.")
    for place, one in isolation.refused:
        blocks.append(f"Not compared: {place}: {one.outcome}: {one.message}")
    blocks += ["", *map(str, reproducers)] if reproducers else []
    blocks += ["", f"Ratio: error over what rounding does there; up to {DOUBT:g} is rounding, from {FAULT:g} a fault."]
    return Document(blocks)


def _row(fault: IsolatedFault) -> list[str]:
    held = fault.confirmation
    runs = f"{held.wrong} of {held.runs} runs"
    return [
        held.word,
        " + ".join(map(str, fault.ops)),
        runs,
        ratio_text(held.ratio),
        f"{held.error:.1e}",
        held.by,
        held.note,
    ]


def _facts(isolation: Isolation, reproducers: Sequence[ModuleReproducer], inputs: str) -> dict[str, Any]:
    return {
        "module": str(isolation.module.path),
        "function": isolation.module.function,
        "executor": isolation.executor.name,
        "inputs_sha256": inputs,
        "procedure": isolation.procedure,
        "trials": isolation.trials,
        "unreached": isolation.unreached,
        "whole": None if isolation.whole is None else isolation.whole.word,
        "exit_code": isolation.exit_code,
        "windows": [
            {
                "first": window.part.operations[0],
                "last": window.part.operations[-1],
                "outcome": window.outcome,
                "message": window.message,
                "ratio": finite(window.ratio),
            }
            for window in isolation.windows
        ],
        "faults": [
            {
                "verdict": fault.confirmation.word,
                "operations": [_place(op) for op in fault.ops],
                "window": fault.window,
                "wrong": fault.confirmation.wrong,
                "runs": fault.confirmation.runs,
                "ratio": finite(fault.confirmation.ratio),
                "error": finite(fault.confirmation.error),
                "confirmed": fault.confirmation.by,
                "note": fault.confirmation.note,
            }
            for fault in isolation.faults
        ],
        "left": [
            {"first": _place(one.first), "last": _place(one.last), "wrong": one.wrong, "of": one.of}
            for one in isolation.left
        ],
        "fleeting": [[_place(first), _place(last)] for first, last in isolation.fleeting],
        "not_compared": [
            {"operation": _place(place), "outcome": one.outcome, "message": one.message}
            for place, one in isolation.refused
        ],
        "reproducers": [
            {"folder": str(one.folder), "shows": one.shows, "right_on": one.right_on} for one in reproducers
        ],
    }


def _place(op: OpPlace) -> dict[str, Any]:
    return {"number": op.number, "op": op.kind, "name": op.name, "line": op.line}
