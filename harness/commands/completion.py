"""Completions that a shell offers when tab is pressed, and the script that teaches it. Nothing here loads a network."""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

SHELLS = ("bash", "zsh", "fish")
TRACE_SUFFIXES = (".jsonl", ".jsonl.gz")


def complete_models(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Networks; where none is meant, files of one's own."""
    from harness.spec.models import model_names

    return _starting(incomplete, model_names()) or _file(incomplete)


def complete_cases(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Cases of the oracle, and networks; where none is meant, files of one's own."""
    from harness.nn.cases import CASES
    from harness.spec.models import model_names

    return _starting(incomplete, [*CASES, *model_names()]) or _file(incomplete)


def complete_backend(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """One backend."""
    from harness.run.backends import BACKENDS

    return _starting(incomplete, BACKENDS)


def complete_backends(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Backends with commas between them: the one behind the last comma."""
    from harness.run.backends import BACKENDS

    front = incomplete[: incomplete.rfind(",") + 1]
    return _starting(incomplete, [front + name for name in BACKENDS if name not in front.split(",")])


def complete_pipelines(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """One pipeline of ours."""
    from harness.run.pipelines import PIPELINES

    return _starting(incomplete, PIPELINES)


def complete_traces(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The traces of the folder at hand; where there are none the shell looks for files and folders itself."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    try:
        names = sorted(path.name for path in Path(folder or ".").iterdir() if path.name.endswith(TRACE_SUFFIXES))
    except OSError:
        names = []
    return _starting(incomplete, [folder + name for name in names]) or _file(incomplete)


def _file(incomplete: str) -> list[CompletionItem]:
    """What makes the shell look for files and folders itself."""
    return [CompletionItem(incomplete, type="file")]


def _starting(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete verbs, options, networks, cases, backends and traces.

    For bash: eval "$(harness completion bash)" in ~/.bashrc; for zsh the same in ~/.zshrc; for fish:
    harness completion fish > ~/.config/fish/completions/harness.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the shells of the choice"
    click.echo(kind(ctx.find_root().command, {}, "harness", "_HARNESS_COMPLETE").source())
