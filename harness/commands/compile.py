"""`harness compile …`: training steps through iree-compile, for targets that need not be present."""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from harness.commands.completion import complete_backends, complete_models
from harness.commands.options import dtype_option, read_names, renamed

if TYPE_CHECKING:
    from harness.run.compile_targets import Compilation
    from harness.spec.netspec import DType
    from harness.system.text import Document

COLUMNS = ("network", "backend", "chip", "lines", "StableHLO", "module", "seconds", "result")
_NUMBERS = ("lines", "StableHLO", "module", "seconds")


@click.command("compile", context_settings=renamed({"part": "shard"}))
@click.argument("models", nargs=-1, shell_complete=complete_models)
@click.option(
    "--backends",
    callback=read_names,
    metavar="A,B",
    shell_complete=complete_backends,
    help="Each for its chip here, or its usual one. Default: cpu,cuda,rocm.",
)
@click.option(
    "--targets",
    callback=read_names,
    metavar="A,B",
    shell_complete=complete_backends,
    help="Chips, e.g. sm_80,sm_90,gfx942,gfx1100, or names of backends, in place of --backends.",
)
@dtype_option
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Default: that of verify.")
@click.option(
    "--image-size", type=click.IntRange(min=1), metavar="N", help="Pixels a side. Default: the network's own."
)
@click.option("--shard", metavar="K/N", help="Shard K of N: every N-th network, from the K-th on.")
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Compilers at once.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def compile_command(
    models: tuple[str, ...],
    backends: tuple[str, ...] | None,
    targets: tuple[str, ...] | None,
    dtype: "DType",
    batch: int | None,
    image_size: int | None,
    shard: str | None,
    jobs: int,
    form: str,
) -> None:
    """Compile the training steps of MODELS (default: all) and report time, size and diagnostics.

    No GPU is needed. Exit codes: 0 every one compiles, 1 a compiler refuses one, 2 usage.
    """
    from harness.report.terminal import show
    from harness.run.backends import DEFAULT_BACKENDS, backend
    from harness.run.compile_targets import compile_steps, find_target, part_of
    from harness.spec.models import load_model, model_names
    from harness.verdict.judge import EXIT_CODES

    if backends is not None and targets is not None:
        raise click.UsageError("--targets takes the place of --backends: give one of them.")
    for name in backends or ():
        backend(name)
    names = tuple(dict.fromkeys(targets or backends or DEFAULT_BACKENDS))
    for name in names:
        find_target(name)
    chosen = part_of(dict.fromkeys(models) or model_names(), *_shard(shard))
    loaded = [load_model(name, batch=batch or load_model(name).verify_batch, image_size=image_size) for name in chosen]
    results = compile_steps(loaded, names, dtype, jobs, _say)
    show(render(results, form))
    sys.exit(EXIT_CODES["PASS" if all(result.seconds is not None for result in results) else "FAIL"])


def _shard(value: str | None) -> tuple[int, int]:
    if value is None:
        return 1, 1
    k, slash, n = value.partition("/")
    if not (slash and _is_count(k) and _is_count(n)):
        raise click.BadParameter(f"{value!r} is not of the form 2/3.", param_hint="--shard")
    if not 1 <= int(k) <= int(n):
        raise click.BadParameter(f"there is no shard {k} of {n}; expected one from 1 to N.", param_hint="--shard")
    return int(k), int(n)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6


def _say(result: "Compilation") -> None:
    took = f"{result.seconds:.1f} s" if result.seconds is not None else "failed"
    click.echo(
        f"{result.model}, {result.chip or result.backend}: {took}{' (from the cache)' if result.cached else ''}",
        err=True,
    )


def render(results: Sequence["Compilation"], form: str) -> "Document | str":
    """The results as a table or as JSON."""
    from harness.report.markdown import table as markdown_table
    from harness.system.text import Document, Table

    if form == "json":
        return json.dumps([_facts(result) for result in results], indent=2) + "\n"
    rows = [_row(result) for result in results]
    table = markdown_table(COLUMNS, rows) if form == "markdown" else Table(COLUMNS, rows, right=_NUMBERS)
    diagnostics = dict.fromkeys(result.diagnostic for result in results if result.diagnostic)
    compiled = sum(result.seconds is not None for result in results)
    end = f"{compiled} of {len(results)} training steps compile."
    document = Document([table, "", *diagnostics, *([""] if diagnostics else []), end])
    return str(document) if form == "markdown" else document


def _row(result: "Compilation") -> list[str]:
    module = "-" if result.module_bytes is None else f"{result.module_bytes / 1e6:.2f} MB"
    seconds = "-" if result.seconds is None else f"{result.seconds:.1f}"
    verdict = "compiles" if result.seconds is not None else "does not compile"
    if result.trouble is not None:
        verdict += f": known trouble ({result.trouble.ticket})"
    text = f"{result.text_bytes / 1e3:.0f} kB"
    chip = result.chip if result.compiled_as == result.chip else f"{result.chip} as {result.compiled_as}"
    return [result.model, result.backend, chip or "-", f"{result.lines:,}", text, module, seconds, verdict]


def _facts(result: "Compilation") -> dict[str, Any]:
    names = ("model", "backend", "chip", "compiled_as", "lines", "text_bytes", "module_bytes", "seconds", "diagnostic")
    return {name: getattr(result, name) for name in names} | {
        "known_trouble": None if result.trouble is None else result.trouble.id
    }
