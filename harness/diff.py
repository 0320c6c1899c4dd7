"""`python -m harness.diff A B`: do two training runs agree? Imports neither JAX nor IREE, so that it starts fast."""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Before numpy loads: its linear algebra would start a thread a core, which takes longer than a short comparison.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

from harness.commands.completion import complete_traces
from harness.commands.log_options import log_keys, log_options
from harness.commands.options import (
    all_steps_option,
    coverage_option,
    format_option,
    mode_option,
    verbose_option,
    window_option,
)
from harness.commands.paths import FilePath
from harness.commands.usage import OneLineCommand
from harness.errors import EnvelopeError, HarnessError, TraceError

if TYPE_CHECKING:
    from harness.report.trace_comparison import TraceComparison
    from harness.system.text import Document
    from harness.trace.logs.keys import LogKeys
    from harness.trace.recording import Recording
    from harness.verdict.compare import Judging
    from harness.verdict.pair import PairRow

    Found = Recording | TraceError


@click.command(name="diff", cls=OneLineCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("traces", nargs=-1, type=click.Path(), metavar="A B [C…]", shell_complete=complete_traces)
@mode_option
@window_option
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Compare only the first N steps of each trace.")
@all_steps_option
@coverage_option
@click.option(
    "--rev",
    "revisions",
    multiple=True,
    metavar="REV",
    help="Compare each file as it is in this git revision with the one in the working tree; given twice, in both.",
)
@log_options
@click.option("--html", type=FilePath(), metavar="FILE", help="Also write a page of the pairs, one file.")
@format_option("text", "markdown", "json")
@verbose_option
def main(
    traces: tuple[str, ...],
    mode: str,
    window: int | None,
    steps: int | None,
    all_steps: bool,
    coverage: float,
    revisions: tuple[str, ...],
    runs: tuple[str, ...],
    html: Path | None,
    form: str,
    verbose: bool,
    **keys: tuple[str, ...],
) -> None:
    """Compare training traces (.jsonl, .jsonl.gz) or logs of other tools, all pairs when there are more than two.

    With --rev each file is compared with itself: `--rev v1 FILE…` with the working tree, `--rev v1 --rev v2 FILE…` of
    two revisions of the git repository that holds it.

    Exit codes: 0 agree, 1 disagree, 2 usage or unreadable input, 3 nothing to compare or inconclusive.
    """
    from harness.report.tally import MANY, is_many
    from harness.report.terminal import show
    from harness.verdict.compare import judging_by
    from harness.verdict.judge import UNREADABLE, worst_exit_code
    from harness.verdict.pair import exit_code, judge_recordings

    if len(traces) < (1 if revisions else 2):
        raise click.UsageError("name at least one trace." if revisions else "name at least two traces.")
    if len(revisions) > 2:
        raise click.UsageError(f"--rev is there {len(revisions)} times; expected once or twice.")
    try:
        judging = judging_by(mode, window, steps, all_steps, coverage)
    except HarnessError as senseless:
        raise click.UsageError(str(senseless)) from None
    if html is not None and not revisions and is_many(len(traces)):
        raise click.UsageError(f"--html has room for {MANY:,} pairs; {len(traces)} traces have more. Name fewer.")
    recordings, pairs = _read(traces, revisions, log_keys(len(traces), runs, **keys))
    errors = [found for found in recordings if isinstance(found, TraceError)]
    for line in dict.fromkeys(map(str, errors)):
        click.echo(line, err=True)
    sound = [found for found in recordings if not isinstance(found, TraceError)]
    if not revisions and is_many(len(sound)):
        sys.exit(_diff_many(sound, judging, form, verbose, unreadable=bool(errors)))
    try:
        rows = [
            judge_recordings(a, b, judging)
            for a, b in pairs
            if not isinstance(a, TraceError) and not isinstance(b, TraceError)
        ]
    except EnvelopeError as error:
        click.echo(str(error), err=True)
        sys.exit(UNREADABLE)
    if revisions:  # the sides are named by what tells them apart, which the name of the file does not
        rows = [_named_by_path(row) for row in rows]
    code = worst_exit_code([UNREADABLE] * bool(errors) + [exit_code([row]) for row in rows])
    if rows or form == "json":
        show(render(rows, form, code, verbose))
    if html is not None and rows:
        from harness.report.trace_comparison import write_page

        try:
            write_page(html, rows)
        except TraceError as error:
            raise click.UsageError(str(error)) from None
    sys.exit(code)


def _diff_many(
    recordings: "Sequence[Recording]", judging: "Judging", form: str, verbose: bool, *, unreadable: bool
) -> int:
    """Compare so many that their rows are not kept: as text in what fits on some screens, else pair by pair."""
    from harness.report import as_json, markdown, tally, text
    from harness.report.terminal import show
    from harness.verdict.judge import UNREADABLE, worst_exit_code
    from harness.verdict.pair import exit_code, judge_recordings

    codes = {UNREADABLE} if unreadable else set()

    def judged() -> "Iterator[PairRow]":
        for a, b in itertools.combinations(recordings, 2):
            row = judge_recordings(a, b, judging)
            codes.add(exit_code([row]))
            yield row

    try:
        if form == "text" and not verbose:
            found = tally.tally(recordings, judging)
            show(tally.render(found, recordings, judging))
            return worst_exit_code({*codes, found.exit_code})
        if form == "json":
            parts: Iterator[str] = as_json.stream(judged(), unreadable)
        else:
            render_one = markdown.render_pair if form == "markdown" else text.render_pair
            parts = (f"{render_one(row)}\n" for row in judged())
        for part in parts:
            click.echo(part, nl=False)
    except EnvelopeError as error:
        click.echo(str(error), err=True)
        return UNREADABLE
    return worst_exit_code(codes)


def _read(
    traces: Sequence[str], revisions: Sequence[str], keys: "Sequence[LogKeys]"
) -> "tuple[list[Found], Iterable[tuple[Found, Found]]]":
    """What was read of the files, and which of it is to be compared with which."""
    if revisions:
        from harness.trace.revisions import read_at_revisions

        pairs = read_at_revisions(traces, revisions, keys)
        return [found for pair in pairs for found in pair], pairs
    from harness.trace.recording import read_recordings

    recordings = read_recordings(traces, keys)
    return recordings, itertools.combinations(recordings, 2)


def _named_by_path(row: "PairRow") -> "PairRow":
    assert row.comparison is not None, "a pair of recordings is always compared"
    return replace(row, a=row.comparison.a.trace.path, b=row.comparison.b.trace.path)


def render(rows: list["PairRow"], form: str, code: int, verbose: bool) -> "Document | str":
    """The rows in a format: a summary when there are several, then every pair; as text only those that differ.

    `verbose`: as text every pair as well.
    """
    if form == "json":
        from harness.report import as_json

        return as_json.render(rows, code)
    several = len(rows) > 1
    if form == "markdown":
        from harness.report import markdown

        parts = [markdown.render_summary(rows)] if several else []
        return "\n".join(parts + [markdown.render_pair(row) for row in rows])
    from harness.report import text
    from harness.system.text import spaced

    if not several:
        return text.render_pair(rows[0])
    pairs = map(text.render_pair, rows) if verbose else text.render_several(rows, text.render_difference)
    return spaced([text.render_summary(rows), *pairs])


class _Callable(ModuleType):
    """`harness.diff` is this module, and a function as well: that of `harness.api`, whose signature is shown for it."""

    def __call__(
        self,
        a: str | os.PathLike[str],
        b: str | os.PathLike[str],
        mode: str = "cross-comp",
        *,
        window: int | None = None,
        steps: int | None = None,
        all_steps: bool = False,
        require_coverage: float = 0.0,
    ) -> "TraceComparison":
        from harness.api import diff

        return diff(a, b, mode, window=window, steps=steps, all_steps=all_steps, require_coverage=require_coverage)


if __name__ == "__main__":
    main()
else:
    sys.modules[__name__].__class__ = _Callable
