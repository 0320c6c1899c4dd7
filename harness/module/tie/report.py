"""What `harness module tie` prints."""

import math
from typing import Any

from harness.module.tie.words import ROUNDED_IN_F32, Tie, TiedTensor
from harness.system.files import json_document
from harness.system.text import Document, Table

_COLUMNS = ("tensor", "word", "error in f64", "allowed", "ratio in f32", "read off")
_RIGHT = ("error in f64", "allowed", "ratio in f32")
_WORST = {"apart": 0, "no number": 1, "apart in f32": 2, "tied": 3}
_SHOWN = 12  # the worst first; the rest are counted


def tied(tie: Tie, form: str) -> Document | str:
    """A tie, for people or as JSON."""
    if form == "json":
        return json_document(_facts(tie), indent=2).decode()
    head = f"{tie.module} against {tie.against}"
    if tie.failure:
        return Document([head, f"Nothing was compared: {tie.failure}."])
    order = sorted(tie.tensors, key=lambda tensor: (_WORST[tensor.word], -_over(tensor)))
    rows = [
        [one.name, one.word, f"{one.error:.1e}", f"{one.allowed:.1e}", _ratio(one.ratio), one.source]
        for one in order[:_SHOWN]
    ]
    left = order[_SHOWN:]
    more = [f"and {len(left)} more, {', '.join(sorted({one.word for one in left}))}."] if left else []
    return Document([head, "", Table(_COLUMNS, rows, right=_RIGHT, wrapped=True), *more, "", *tie.notes, _verdict(tie)])


def _verdict(tie: Tie) -> str:
    apart = [tensor for tensor in tie.tensors if tensor.word == "apart"]
    if apart:
        told = "; ".join(tie.explained)
        why = f" What closes the gap: {told}." if told else " No convention that was tried closes the gap."
        return f"Not tied: {len(apart)} of {len(tie.tensors)} differ in f64.{why}"
    if any(tensor.word == "apart in f32" for tensor in tie.tensors):
        return (
            f"The same in f64, but further apart in f32 than rounding explains (ratio {ROUNDED_IN_F32:.0f} and more): "
            "one of both is computed in another precision, or in a form that loses digits."
        )
    if any(tensor.word == "no number" for tensor in tie.tensors):
        return "Nothing to compare where a number is not finite."
    return f"Tied: all {len(tie.tensors)} are the same." if tie.tensors else "Nothing was compared: there is no result."


def _over(tensor: TiedTensor) -> float:
    return 0.0 if math.isnan(tensor.error) or not tensor.allowed else tensor.error / tensor.allowed


def _ratio(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}" if value < 1000 else f"{value:.1e}"


def _facts(tie: Tie) -> dict[str, Any]:
    return {
        "module": tie.module,
        "against": tie.against,
        "exit_code": tie.exit_code,
        "failure": tie.failure,
        "tensors": [
            {
                "name": one.name,
                "word": one.word,
                "error": _finite(one.error),
                "allowed": _finite(one.allowed),
                "ratio_in_f32": _finite(one.ratio),
                "read_off": one.source,
            }
            for one in tie.tensors
        ],
        "explained": list(tie.explained),
        "notes": list(tie.notes),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
