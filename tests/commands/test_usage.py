import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.diff import main as diff
from harness.errors import HarnessError, unknown
from harness.run.backends import BACKENDS
from harness.spec.models import model_names
from harness.verdict.compare import judging_by


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))


def harness(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="harness", catch_exceptions=False)


@pytest.mark.parametrize("verb", list(verbs(main)), ids=" ".join)
def test_a_wrong_use_of_any_verb_is_one_line_that_names_its_help(verb):
    found = harness(*verb, "--no-such-option")
    assert (found.exit_code, found.stdout) == (2, "")
    hint = re.escape(" ".join(("harness", *verb)))
    assert re.fullmatch(rf"harness: No such option '--no-such-option'[^\n]* See `{hint} --help`\.\n", found.stderr)
    assert harness(*verb, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verfy"], "No such command 'verfy'. Did you mean 'verify'? See `harness --help`."),
        (["data", "ftch"], "No such command 'ftch'. Did you mean 'fetch'? See `harness data --help`."),
        (["--nothing"], "No such option '--nothing'. See `harness --help`."),
        (["verify"], "Missing argument 'MODEL'. See `harness verify --help`."),
        (["convert", "a"], "Missing option '-o' / '--out'. See `harness convert --help`."),
        (["diff", "a"], "name at least two traces. See `harness diff --help`."),
    ],
    ids=str,
)
def test_what_is_wrong_and_how_to_get_help(arguments, said):
    found = harness(*arguments)
    assert (found.exit_code, found.stdout, found.stderr) == (2, "", f"harness: {said}\n")


def test_the_differ_says_it_by_itself_too():
    found = CliRunner().invoke(diff, ["a"], prog_name="python -m harness.diff")
    assert found.stderr == "harness: name at least two traces. See `python -m harness.diff --help`.\n"


def test_without_anything_the_help_is_printed():
    found = harness()
    assert found.exit_code == 2
    assert "Commands:" in found.stderr


@pytest.mark.parametrize("name", ["mnist_mpl", "resnet-50", "vgg16bn", "mobilenet_v5"])
def test_a_name_that_is_nearly_right_is_suggested(name):
    said = unknown("model", name, model_names())
    nearest = re.search(r"did you mean '(\w+)'\? Known are cifar_cnn, ", said)
    assert nearest is not None
    assert nearest[1] in model_names()
    assert nearest[1][:5] == name[:5]


def test_a_name_that_is_nothing_like_any_is_not():
    assert unknown("backend", "tpu", BACKENDS) == "unknown backend 'tpu'; known are cpu, cuda, rocm, vulkan, vmvx."


def test_a_mode_is_named_too():
    with pytest.raises(HarnessError, match=r"unknown mode 'stric'; did you mean 'strict'\? Known are bitwise, "):
        judging_by("stric")
