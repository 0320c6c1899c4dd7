"""What a square tells, for every format of a report."""

from collections.abc import Sequence
from typing import Any

from harness.report import as_json
from harness.report.tables import show
from harness.verdict.square import Shares, Square

COLUMNS = ("step", "largest relative difference", "of", "derivation", "compiler", "interaction", "alone")


def sentences(squares: Sequence[Square]) -> list[str]:
    """One a square."""
    return [f"square on {square.backend}: {square.line}" for square in squares]


def table(square: Square) -> list[list[str]]:
    """Rows under COLUMNS: the steps one by one, then together; none when nothing differs."""
    rows = [_row(str(shares.step), shares) for shares in square.by_step]
    rows += [_row("all", square.shares)] if square.shares is not None else []
    return rows + ([_row("detour", square.detour)] if square.detour is not None else [])


def _row(name: str, shares: Shares) -> list[str]:
    parts = (shares.derivation, shares.compiler, shares.interaction)
    return [name, show(shares.largest), shares.channel, *(f"{100 * part:.1f} %" for part in parts), shares.alone or ""]


def describe(square: Square) -> dict[str, Any]:
    """A square as a dict of JSON values."""
    described: dict[str, Any] = as_json.plain(square)
    return described | {"line": square.line}
