"""Trends of a page: status and differences of each pair, night after night."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.page.panels import MOST, Panel
from harness.report.page.words import OF_STATUS, Mark
from harness.report.summary import Summary
from harness.report.summary.history import HistoryRow

NIGHTS = 60
DOT = 8  # width of a night, in units of the picture
_HIGH = 24
_TALL = {"differ": 20, "inconclusive": 12, "agree": 6}  # told by height as well as by colour


@dataclass(frozen=True)
class PairNight:
    """One pair in one night. Units: nats."""

    date: str
    mark: Mark
    step_1: float | None
    median: float | None


@dataclass(frozen=True)
class Trend:
    """One pair over the nights. `pair`: the id of tonight's panel, None when it was not run tonight."""

    network: str
    name: str
    pair: str | None
    nights: tuple[PairNight, ...]
    dates: tuple[str, ...]

    @property
    def bars(self) -> list[tuple[str, str]]:
        """By the key of a status, the path of its bars: low for agree, middling for inconclusive, tall for differs."""
        paths: dict[str, str] = {}
        for night in self.nights:
            key = night.mark.key
            paths[key] = paths.get(key, "") + f"M{self._at(night.date)} {_HIGH}v-{_TALL.get(key, 3)}"
        return list(paths.items())

    @property
    def lines(self) -> list[tuple[str, str]]:
        """`step_1` and `median`, each as the points of a line on one logarithmic axis."""
        found = {name: _on_log([(n.date, getattr(n, name)) for n in self.nights]) for name in ("step_1", "median")}
        heights = [height for points in found.values() for _, height in points]
        low, high = (min(heights), max(heights)) if heights else (0.0, 0.0)
        drawn = []
        for name, points in found.items():
            parts = [(date, (height - low) / (high - low) if high > low else 0.5) for date, height in points]
            drawn.append(
                (name, " ".join(f"{self._at(date)},{_HIGH - 2 - part * (_HIGH - 4):.1f}" for date, part in parts))
            )
        return drawn

    def _at(self, date: str) -> int:
        return self.dates.index(date) * DOT + DOT // 2

    @property
    def width(self) -> int:
        """Of the picture."""
        return len(self.dates) * DOT

    @property
    def in_words(self) -> str:
        """The picture in a sentence."""
        counts = {mark: [night.date for night in self.nights if night.mark == mark] for mark in OF_STATUS.values()}
        told = [f"{mark.word} {len(dates)}" for mark, dates in counts.items() if dates]
        last = next((night.date for night in reversed(self.nights) if night.mark.key == "differ"), None)
        since = f", differed last on {last}" if last else ""
        return f"{len(self.nights)} nights: {', '.join(told)}{since}"


def make_trends(summary: Summary, panels: Sequence[Panel]) -> list[Trend]:
    """The last nights of pairs, tonight's included, those of `panels` first; none when there were no earlier nights."""
    if not summary.history:
        return []
    tonight = {(panel.network, panel.name): panel for panel in panels if panel.row.verdict is not None}
    dates = list(dict.fromkeys([row.night for row in summary.history if row.night != summary.night]))
    dates = [*dates, summary.night][-NIGHTS:]
    nights: dict[tuple[str, str], list[PairNight]] = {key: [] for key in tonight}
    for earlier in summary.history:
        if earlier.night in dates and earlier.night != summary.night and earlier.status in OF_STATUS:
            nights.setdefault((earlier.model, earlier.pair), []).append(_earlier(earlier))
    for key, panel in tonight.items():
        nights[key].append(_tonight(panel, summary.night))
    return [
        Trend(*key, tonight[key].id if key in tonight else None, tuple(of_pair), tuple(dates))
        for key, of_pair in itertools.islice(nights.items(), MOST)
    ]


def _earlier(row: HistoryRow) -> PairNight:
    return PairNight(row.night, OF_STATUS[row.status], row.step_1, row.median)


def _tonight(panel: Panel, date: str) -> PairNight:
    step_1, _, median, _ = panel.deltas
    return PairNight(date, panel.mark, step_1.value, median.value)


def _on_log(values: Sequence[tuple[str, float | None]]) -> list[tuple[str, float]]:
    """The logarithms of those that have one."""
    return [(date, math.log10(x)) for date, x in values if x is not None and math.isfinite(x) and x > 0]
