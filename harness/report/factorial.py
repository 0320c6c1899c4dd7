"""The 2x2 factorial of a backend, for every format of a report."""

from collections.abc import Sequence
from typing import Any

from harness.report import as_json
from harness.report.tables import show
from harness.verdict.factorial import Factorial, Shares

COLUMNS = ("step", "largest relative difference", "of", "derivation", "compiler", "interaction", "alone")


def sentences(factorials: Sequence[Factorial]) -> list[str]:
    """One sentence per factorial."""
    return [f"2x2 factorial on {factorial.backend}: {factorial.line}" for factorial in factorials]


def table(factorial: Factorial) -> list[list[str]]:
    """Rows under COLUMNS: the steps one by one, then together; none when nothing differs."""
    rows = [_row(str(shares.step), shares) for shares in factorial.by_step]
    rows += [_row("all", factorial.shares)] if factorial.shares is not None else []
    return rows + ([_row("detour", factorial.detour)] if factorial.detour is not None else [])


def _row(name: str, shares: Shares) -> list[str]:
    parts = (shares.derivation, shares.compiler, shares.interaction)
    return [name, show(shares.largest), shares.channel, *(f"{100 * part:.1f} %" for part in parts), shares.alone or ""]


def describe(factorial: Factorial) -> dict[str, Any]:
    """A factorial as a dict of JSON values."""
    described: dict[str, Any] = as_json.plain(factorial)
    return described | {"line": factorial.line}
