"""The command line: a table of verbs. A verb is imported when it is run, and what it needs when it does."""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple, cast

import click

from harness import __version__
from harness.commands.usage import ending, parsing


class Verb(NamedTuple):
    """A row of the table: where the command is, as MODULE:ATTRIBUTE, and its line in the help of `harness`."""

    place: str
    help: str


VERBS = {
    "accept": Verb(
        "harness.commands.accept:accept_command",
        "Make the traces CELL… (NAME.jsonl, with their manifests) the references that later nights are held to.",
    ),
    "attest": Verb(
        "harness.commands.attest:attest_command",
        "Tell where cells come from as in-toto statements, and hold files to them.",
    ),
    "bounds": Verb(
        "harness.commands.bounds:bounds_command",
        "Fit the bounds by which the gate `rounding` judges every pair, on right runs that differ by rounding alone.",
    ),
    "compile": Verb(
        "harness.commands.compile:compile_command",
        "Compile the training steps of MODELS (default: all) and report time, size and diagnostics.",
    ),
    "completion": Verb(
        "harness.commands.completion:completion_command",
        "Print what makes a shell complete verbs, options, networks, cases, backends and traces.",
    ),
    "convert": Verb(
        "harness.commands.convert:convert_command",
        "Write logs of other tools as traces, and traces as TensorBoard event files or MLPerf training logs.",
    ),
    "data": Verb("harness.commands.data:data_command", "Fetch data sets into the cache and say where they are."),
    "diff": Verb(
        "harness.diff:main",
        "Compare training traces (.jsonl, .jsonl.gz) or logs of other tools, all pairs when there are more than two.",
    ),
    "doctor": Verb(
        "harness.commands.doctor:doctor_command",
        "Say what this host can run, and why not the rest; what to do about a line stands in it.",
    ),
    "emit": Verb("harness.commands.emit:emit_command", "Write the programs of MODEL and print their paths."),
    "envelope": Verb(
        "harness.commands.envelope:envelope_command",
        "Measure what rounding alone does to the first steps of MODEL, and keep it for `diff` and `verify`.",
    ),
    "explain": Verb(
        "harness.commands.explain:explain_command",
        "Name the layer, direction and side of MODEL that are wrong, "
        "judged by an independent definition of every layer.",
    ),
    "export": Verb("harness.commands.export:export_command", "Pack cells into one file, for another host to import."),
    "host": Verb(
        "harness.commands.host:host_command",
        "Take part in a cluster, so that `nightly --engine ray` can run parts of a night here.",
    ),
    "import": Verb(
        "harness.commands.import_bundle:import_command",
        "Take in the cells of bundles that `export` wrote on other hosts.",
    ),
    "init": Verb(
        "harness.commands.init:init_command", "Write the initial parameters of MODEL and print their SHA-256."
    ),
    "models": Verb("harness.commands.models:models_command", "List the networks with their parameter counts."),
    "module": Verb(
        "harness.commands.module:module_command",
        "Run any StableHLO module on several executors, and tell rounding from a fault.",
    ),
    "nightly": Verb(
        "harness.commands.nightly:nightly_command",
        "Run what CONFIG says, all night long: cells, their verdicts, checks, and one report about it.",
    ),
    "oracle": Verb(
        "harness.commands.oracle:oracle_command",
        "Compare the gradients of both pipelines, tensor by tensor, on small networks: all of the table by default.",
    ),
    "power": Verb(
        "harness.commands.power:power_command",
        "Inject faults and see which of them the verdict finds; judge clean pairs, of which it may fail none.",
    ),
    "replay": Verb(
        "harness.commands.replay:replay_command",
        "Take the steps behind the kept states of CELL again, here, and judge its run by them.",
    ),
    "report": Verb(
        "harness.commands.report:report_command",
        "Judge every pair of the cells in FOLDERS, of one host or of several, and write one report about them.",
    ),
    "run": Verb(
        "harness.commands.run:run_command",
        "Train MODEL with one pipeline on one backend, and print the path of the trace.",
    ),
    "verify": Verb(
        "harness.commands.verify:verify_command",
        "Train MODEL with every pipeline on every backend and judge each pair of runs.",
    ),
}


class _Commands(Mapping[str, click.Command]):
    """The commands of the table, each imported when it is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = VERBS[name].place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class _Group(click.Group):
    """Turns the errors that a user can cause into one line each, and an interruption into its exit code."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with parsing():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with ending("interrupted; finished cells are kept, the running one left its prefix."):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, from the table: click would import every verb to ask it for its line."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, click.Command(name, help=VERBS[name].help).get_short_help_str(width)) for name in names]
            )


@click.group(
    cls=_Group,
    commands=cast(MutableMapping[str, click.Command], _Commands()),  # click adds none to those that it is given
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Do two compilers train a network alike, and if not, is it rounding or a bug?"""
    # Nobody vouches for the programs in JAX's own cache, wherever the user's shell says that it lies.
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
