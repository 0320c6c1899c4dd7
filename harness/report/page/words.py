"""Statuses of a page: a key for filters and colours, a word and a sign, so that none is shown by colour only."""

from dataclasses import dataclass

from harness.verdict.pair import PairRow


@dataclass(frozen=True)
class Mark:
    """A status as it is shown. `key`: its class, its filter and its place in an order of urgency."""

    key: str
    word: str
    sign: str
    many: str | None = None

    @property
    def plural(self) -> str:
        """The word of several."""
        return self.many or self.word


DIFFERS = Mark("differ", "differs", "✕", "differ")
INCONCLUSIVE = Mark("inconclusive", "inconclusive", "?")
AGREES = Mark("agree", "agrees", "✓", "agree")
ABSENT = Mark("absent", "not run", "–")
URGENT_FIRST = (DIFFERS, INCONCLUSIVE, AGREES, ABSENT)

OF_STATUS = {"FAIL": DIFFERS, "INCONCLUSIVE": INCONCLUSIVE, "PASS": AGREES}
OF_EXIT_CODE = {
    0: Mark("agree", "Agree", "✓"),
    1: Mark("differ", "Differ", "✕"),
    2: Mark("differ", "Unreadable", "!"),
    3: Mark("inconclusive", "Inconclusive", "?"),
}
OF_CHECK = {
    "PASS": Mark("agree", "passed", "✓"),
    "FAIL": Mark("differ", "failed", "✕"),
    "INCONCLUSIVE": Mark("inconclusive", "inconclusive", "?"),
    "NOT RUN": Mark("absent", "not run", "–"),
}
OF_CLAIM = {
    "holds": Mark("agree", "holds", "✓"),
    "does not hold": Mark("differ", "does not hold", "✕"),
    "not measured": Mark("absent", "not measured", "–"),
}
OF_GATE = {
    "pass": Mark("agree", "pass", "✓"),
    "fail": Mark("differ", "fail", "✕"),
    "inconclusive": Mark("inconclusive", "inconclusive", "?"),
    "unreached": Mark("absent", "not reached", "–"),
    "note": Mark("note", "note", "i"),
}


def mark_of(row: PairRow) -> Mark:
    """The mark of a pair."""
    return ABSENT if row.verdict is None else OF_STATUS[row.verdict.status]


def word_of(row: PairRow) -> str:
    """The word of a pair, with the steps that it speaks of where those are not all: `agrees on 8 of 200 steps`."""
    verdict, word = row.verdict, mark_of(row).word
    if verdict is None or verdict.coverage is None or not verdict.is_partial:
        return word
    return f"{word} on {verdict.coverage.words}"


def seconds(value: float | None) -> str:
    """A duration in words: 8.4 s, 12 min, 3 h 20 min."""
    if value is None:
        return "–"
    if value < 100:
        return f"{value:.1f} s"
    hours, minutes = divmod(round(value / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
