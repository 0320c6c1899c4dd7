"""The table of verbs, what of the package the command line imports, and options that several verbs or names share."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import VERBS, main
from harness.commands.options import MODES
from harness.commands.run_options import RunOptions
from harness.verdict import tolerance

ROOT = Path(__file__).parents[2]


def modules_after(program: str) -> set[str]:
    """Everything that a process has imported once the program is through."""
    program = f"import sys\n{program}\nprint(*sys.modules, file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True)
    assert found.stdout
    return set(found.stderr.split())


@pytest.mark.parametrize("name", VERBS)
def test_the_table_tells_what_the_verb_tells_of_itself(name):
    command = main.commands[name]
    assert command.name == name
    assert command.help is not None
    assert VERBS[name].help == command.help.splitlines()[0]


def test_verbs_are_named_in_the_order_of_the_help():
    assert list(VERBS) == sorted(VERBS)


def test_the_help_imports_no_verb_and_none_of_the_rooms():
    imported = modules_after("from harness.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert "numpy" not in imported
    assert {name for name in imported if name.partition(".")[0] == "harness"} == {
        "harness",
        "harness.cli",
        "harness.commands",
        "harness.commands.usage",
        "harness.errors",
    }


def test_the_help_of_no_verb_imports_what_the_verb_needs_to_run():
    imported = modules_after(
        "from harness.cli import VERBS, main\n"
        "for verb in VERBS:\n"
        "    try: main([verb, '--help'])\n"
        "    except SystemExit: pass\n"
    )
    rooms = {name for name in imported if name.startswith("harness.")} - {
        "harness.cli",
        "harness.diff",
        "harness.errors",
    }
    assert {name for name in rooms if name.split(".")[1] != "commands"} == {"harness.data"}  # the table of data sets
    assert {"numpy", "msgspec", "rich", "tabulate", "jinja2", "jax", "iree", "pandas"}.isdisjoint(imported)


def test_the_modes_to_choose_from_are_those_of_the_verdict():
    assert tuple(tolerance.MODES) == MODES
    assert tolerance.DEFAULT_MODE.name == MODES[-1]


@pytest.mark.parametrize("verb", ["verify", "run"])
def test_verbs_that_train_declare_every_shared_option(verb):
    declared = {parameter.name for parameter in main.commands[verb].params}
    assert {field.name for field in fields(RunOptions)} <= declared


@pytest.mark.parametrize(
    ("words", "parameter", "expected"),
    [
        (["verify", "m", "--no-f64-check"], "f64_check", False),
        (["verify", "m", "--no-ladder"], "f64_check", False),
        (["verify", "m", "--no-ladder", "--ladder"], "f64_check", True),
        (["verify", "m", "--no-ladder", "--f64-check"], "f64_check", True),
        (["verify", "m"], "f64_check", True),
        (["verify", "m"], "wide", True),
        (["verify", "m", "--no-wide"], "wide", False),
        (["verify", "m", "--factorial"], "factorial", True),
        (["verify", "m", "--square"], "factorial", True),
        (["compile", "--shard", "2/3"], "shard", "2/3"),
        (["compile", "--part=2/3"], "shard", "2/3"),
        (["oracle", "--no-interpreter"], "interpreter", False),
        (["oracle", "--no-third-opinion"], "interpreter", False),
        (["oracle", "--no-third-opinion", "--third-opinion"], "interpreter", True),
    ],
    ids=str,
)
def test_an_old_name_of_an_option_sets_the_same_parameter(words, parameter, expected):
    verb, *arguments = words
    command = main.commands[verb]
    assert command.make_context(verb, arguments).params[parameter] == expected


@pytest.mark.parametrize(
    ("verb", "old"),
    [("verify", "ladder"), ("verify", "square"), ("compile", "part"), ("oracle", "third-opinion")],
)
def test_old_names_are_not_in_the_help(verb, old):
    assert f"--{old}" not in CliRunner().invoke(main, [verb, "--help"]).stdout
