"""What `harness module` prints: an inspected module, runs, a check; for people and as JSON."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.module.execute import Execution
from harness.module.load import StableModule
from harness.module.words import MILDEST_FIRST, ExecutorCheck, ModuleCheck, largest_ratio
from harness.system.files import json_document
from harness.system.text import Document, Table

_SHOWN = 6  # results of one word, the worst first; the rest are counted
_NUMBERS = ("compile s", "run s", "ratio", "error", "sees from")


def inspected(module: StableModule, form: str) -> Document | str:
    """What a module takes, gives and does."""
    if form == "json":
        return json_document(_facts(module), indent=2).decode()
    arguments = [
        [
            str(i),
            argument.name,
            str(argument.type),
            argument.role,
            "" if argument.result is None else module.results[argument.result].name,
        ]
        for i, argument in enumerate(module.arguments)
    ]
    results: list[list[str]] = [[str(i), result.name, str(result.type)] for i, result in enumerate(module.results)]
    ops = ", ".join(f"{count} {name.removeprefix('stablehlo.')}" for name, count in module.ops.items())
    end = [f"Not judged: {refusal}." for refusal in module.refusals] or ["Every operation is judged."]
    return Document(
        [
            f"{module.path}: {module.form}, function @{module.function} of {len(module.functions)}",
            "",
            Table(("", "argument", "type", "taken for", "new value"), arguments),
            "",
            Table(("", "result", "type"), results),
            "",
            f"{sum(module.ops.values())} operations{': ' if ops else ''}{ops}.",
            *([f"About {module.operations:.2g} scalar operations a call."] if not module.refusals else []),
            *end,
        ]
    )


def ran(module: StableModule, executions: Sequence[Execution], form: str) -> Document | str:
    """Runs, and how far their results are apart where there are several."""
    if form == "json":
        rows = [_execution(execution) | {"results": _values(module, execution)} for execution in executions]
        return json_document({"module": str(module.path), "executors": rows}, indent=2).decode()
    table = [_run_row(execution) for execution in executions]
    blocks: list[str | Table] = [
        Table(("executor", "outcome", "compile s", "run s", "note"), table, right=_NUMBERS, wrapped=True)
    ]
    for execution in executions:
        if execution.calls:
            single = zip(module.results, execution.calls[0], strict=True)
            told = ", ".join(f"{result.name} {float(array):.9g}" for result, array in single if not result.type.shape)
            blocks += [f"{execution.executor.name}: {told}"] if told else []
    return Document(blocks)


def checked(check: ModuleCheck, form: str, inputs: str) -> Document | str:
    """A verdict. `inputs`: SHA-256 of what the module was fed."""
    if form == "json":
        return json_document(_check_facts(check, inputs), indent=2).decode()
    if check.reference.outcome != "ran":
        told = f"no reference: {check.reference.executor.name} in f64: {check.reference.outcome}"
        return Document([f"{check.module.path}: nothing was compared, {told} ({check.reference.message})."])
    rows = [
        [
            one.execution.executor.name,
            one.word,
            *_seconds(one.execution),
            ratio_text(largest_ratio(one)),
            one.execution.message or one.execution.device,
        ]
        for one in check.executors
    ]
    blocks: list[str | Table] = [
        Table(("executor", "verdict", "compile s", "run s", "ratio", "note"), rows, right=_NUMBERS, wrapped=True),
        "",
    ]
    for one in check.executors:
        if one.results:
            blocks += [f"{one.execution.executor.name}:", *_worst(one), ""]
    if check.confirmed:
        blocks.append(f"The reference is confirmed {check.confirmed}.")
    blocks.append(
        f"Bound: {check.members} members in f64 with rounding noise. Ratio: error over what they are apart; "
        "up to 4 is rounding, from 16 a fault. Errors are relative, those of new values relative to the update."
    )
    return Document(blocks)


def _worst(one: ExecutorCheck) -> list[str | Table]:
    """A table of the worst results, and a line about the others."""
    order = sorted(one.results, key=lambda result: (-MILDEST_FIRST.index(result.word), -result.ratio))
    rows = [
        [
            result.name,
            result.word,
            ratio_text(result.ratio),
            f"{result.error:.1e}",
            f"{result.bound:.1e}",
            result.note,
        ]
        for result in order[:_SHOWN]
    ]
    table = Table(("result", "verdict", "ratio", "error", "sees from", "note"), rows, right=_NUMBERS, wrapped=True)
    left = [result.ratio for result in order[_SHOWN:]]
    return [table, *([f"and {len(left)} more, of ratios up to {ratio_text(max(left))}."] if left else [])]


def ratio_text(value: float) -> str:
    """A ratio for people; nothing where there is none."""
    return "" if math.isnan(value) else f"{value:.2f}" if value < 1000 else f"{value:.1e}"


def _seconds(execution: Execution) -> tuple[str, str]:
    if execution.outcome != "ran":
        return "", ""
    return f"{execution.compile_s:.1f}", f"{execution.run_s:.2f}"


def _run_row(execution: Execution) -> list[str]:
    return [
        execution.executor.name,
        execution.outcome,
        *_seconds(execution),
        execution.message or execution.device,
    ]


def _values(module: StableModule, execution: Execution) -> list[dict[str, Any]]:
    """Results that are a single number with it, the others without."""
    if not execution.calls:
        return []
    return [
        {"name": result.name, "type": str(result.type), "value": finite(array) if not result.type.shape else None}
        for result, array in zip(module.results, execution.calls[0], strict=True)
    ]


def _execution(execution: Execution) -> dict[str, Any]:
    return {
        "executor": execution.executor.name,
        "outcome": execution.outcome,
        "message": execution.message,
        "device": execution.device,
        "compile_s": execution.compile_s,
        "run_s": execution.run_s,
    }


def _facts(module: StableModule) -> dict[str, Any]:
    return {
        "module": str(module.path),
        "form": module.form,
        "function": module.function,
        "functions": list(module.functions),
        "arguments": [
            {
                "name": argument.name,
                "type": str(argument.type),
                "role": argument.role,
                "result": argument.result,
                "positive": argument.positive,
            }
            for argument in module.arguments
        ],
        "results": [
            {"name": result.name, "type": str(result.type), "argument": result.argument} for result in module.results
        ],
        "loss": module.loss,
        "ops": module.ops,
        "scalar_operations": module.operations,
        "refusals": [{"op": refusal.op, "line": refusal.line, "reason": refusal.reason} for refusal in module.refusals],
    }


def _check_facts(check: ModuleCheck, inputs: str) -> dict[str, Any]:
    return {
        "module": str(check.module.path),
        "function": check.module.function,
        "inputs_sha256": inputs,
        "reference": _execution(check.reference) | {"confirmed": check.confirmed},
        "members": check.members,
        "exit_code": check.exit_code,
        "executors": [
            _execution(one.execution)
            | {
                "verdict": one.word,
                "results": [
                    {
                        "name": result.name,
                        "verdict": result.word,
                        "ratio": finite(result.ratio),
                        "error": finite(result.error),
                        "bound": finite(result.bound),
                        "relative_to": result.of,
                        "note": result.note,
                    }
                    for result in one.results
                ],
            }
            for one in check.executors
        ],
    }


def finite(value: Any) -> float | str:
    """A number of JSON, which has no infinity."""
    return float(value) if np.isfinite(value) else str(value)
