"""A network in a file of one's own: how it is found, and one line for whatever is wrong with it."""

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.errors import HarnessError, RuleError, SpecError
from harness.spec.models import load_for_run, load_model
from harness.spec.network_file import in_folder, is_network_file
from tests.support.own_network import DOUBLED, NETWORK, write
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("no_network_file_yet")


def emit(path: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["emit", str(path), "--out", str(out), *options], catch_exceptions=False)


def test_a_file_is_told_from_a_name_by_its_ending_or_a_separator() -> None:
    assert [is_network_file(text) for text in ("mnist_mlp", "tiny.py", "a/tiny.py", "a/tiny", "./tiny")] == [
        False,
        True,
        True,
        True,
        True,
    ]
    assert in_folder("mnist_mlp", Path("ci")) == "mnist_mlp"
    assert in_folder("nets/tiny.py", Path("ci")) == "ci/nets/tiny.py"
    assert in_folder("/nets/tiny.py", Path("ci")) == "/nets/tiny.py"


def test_a_file_is_a_model_by_its_stem_that_knows_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, "tiny", NETWORK + "VERIFY_STEPS, VERIFY_BATCH = 12, 2\n")
    model, steps = load_for_run(str(path), None, None, None)
    assert (model.name, model.source, model.file, steps, model.batch) == ("tiny", str(path), str(path), 12, 2)
    assert model.provenance == {"network_sha256": model.file_sha256}
    assert load_model("mnist_mlp").source == "mnist_mlp"
    assert load_model("mnist_mlp").provenance == {}


def test_a_file_takes_other_sizes_by_its_function(tmp_path: Path) -> None:
    sized = "def network(image_size):\n    return replace(SPEC, input_shape=(1, image_size, image_size))\n"
    text = NETWORK.replace("input_shape=(784,)", "input_shape=(1, 28, 28)").replace(
        "[Dense(", "[GlobalAvgPool(), Dense("
    )
    text = "from dataclasses import replace\nfrom harness.nn.layers.global_avg_pool import GlobalAvgPool\n" + text
    path = write(tmp_path, "sized", text.replace("784, 10", "1, 10") + sized)
    assert load_model(str(path), image_size=14).spec.input_shape == (1, 14, 14)
    assert load_model(str(path), image_size=28).image_size is None


def test_the_file_of_a_network_of_the_package_is_that_network() -> None:
    assert load_model("specs/mnist_mlp.py") == load_model("mnist_mlp")


def test_a_file_runs_once_and_prints_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "talking", "print('hello')\n" + NETWORK)
    assert load_model(str(path)).spec == load_model(str(tmp_path / "." / "talking.py"), batch=2).spec
    assert capsys.readouterr() == ("", "hello\n")


def test_a_layer_of_a_file_is_none_of_the_package_in_the_hash(tmp_path: Path) -> None:
    spec = load_model(str(write(tmp_path, "doubled", DOUBLED))).spec
    assert '{"is":"doubled.Double","name":"double1"}' in spec.canonical_json()
    assert '"is":"Dense"' in spec.canonical_json()


def test_annotations_may_be_text(tmp_path: Path) -> None:
    path = write(tmp_path, "later", "from __future__ import annotations\n" + DOUBLED)
    assert load_model(str(path)).graph.total_params == 6370


LINE = NETWORK.count("\n") + 1  # the first behind the network
WRONG = {
    "syntax": (b"x = (1,\ny = 2\n", r"\.py:1: SyntaxError: '\(' was never closed. Correct the file\."),
    "indented": (b"x = 1\n  y = 2\n", r"\.py:2: IndentationError: unexpected indent\. "),
    "zero": (b"x = 1\0\n", r"\.py(:1)?: SyntaxError: source code .*null bytes\. "),
    "latin": (b"x = 1\n# \xe4\n", r"\.py:2: not UTF-8\. Save the file as UTF-8\."),
    "imports": (
        b"\nimport no_such_module\n",
        r"\.py:2: ModuleNotFoundError: No module named 'no_such_module'\. Install",
    ),
    "raises": (b"def f():\n    return 1 / 0\n\nf()\n", r"\.py:2: ZeroDivisionError: division by zero\. Correct the"),
    "exits": (b"import sys\nsys.exit(3)\n", r"\.py:2: SystemExit: 3\. Correct the file\."),
    "base": (b"class E(BaseException): ...\nraise E('no')\n", r"\.py:2: E: no\. Correct the file\."),
    "empty": (b"", r"\.py: no SPEC, expected a NetSpec of that name\."),
    "spec-only": (NETWORK.partition("CONFIG")[0], r"\.py: no CONFIG, expected a TrainConfig of that name\."),
    "class": (
        b"from harness.spec.netspec import NetSpec as SPEC\n",
        r"SPEC is the class NetSpec, expected a NetSpec\.",
    ),
    "kind": (NETWORK + "CONFIG = {}\n", r"\.py: CONFIG is of type dict, expected a TrainConfig\."),
    "steps": (NETWORK + "VERIFY_STEPS = '20'\n", r"VERIFY_STEPS is '20', expected a whole number of at least 1\."),
    "batch": (NETWORK + "VERIFY_BATCH = 0\n", r"VERIFY_BATCH is 0, expected a whole number of at least 1\."),
    "field": (
        NETWORK + "TrainConfig(lr=-1, batch_size=1, epochs=1, optimizer=Sgd())\n",
        rf":{LINE}: lr is -1, expected a",
    ),
    "shapes": (NETWORK.replace("784, 10", "83, 10"), r"\.py: Tiny, layer 1 'dense1': .*784"),
    "twice": (
        NETWORK + "from harness.spec.rules import jax_rule\n@jax_rule(Dense)\ndef f(layer, j, x):\n    return x\n",
        rf":{LINE + 1}: jax_rule: Dense has a rule already\. Remove one of them\.",
    ),
    "shaped": (
        DOUBLED.replace("return inputs[0]", "return inputs[1]"),
        r"\.py:\d+: IndexError: tuple index out of range\. Correct the file\.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_loaded_is_one_line_with_the_place(name: str, tmp_path: Path) -> None:
    text, said = WRONG[name]
    path = write(tmp_path, name, text)
    found = emit(path, tmp_path / "out")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"harness: {path}")
    assert re.search(said, found.stderr), found.stderr
    assert found.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


JAX, FORWARD = "return j.mul(2.0, x)", 'return h.mul(x, 2.0, "y"), None'
BACKWARD = 'return (h.mul(dy, 2.0, "dx"),)'
RULES = {
    "jax": (JAX, "return j.no_such(x)", ":{}: AttributeError: 'JaxBuilder' object has no attribute"),
    "none": (JAX, "return None", "jax_double gives nothing. Return its result."),
    "form": (FORWARD, 'return h.mul(x, 2.0, "y")', "hlo_double gives a Value, expected a tuple (y, saved)."),
    "count": (FORWARD, "return x, x, x", "hlo_double gives a tuple of 3, expected a tuple (y, saved)."),
    "y": (
        FORWARD,
        'return h.sum(x, (1,), "y"), None',
        "'double1': its forward rule gives 4, expected a value of 4x784.",
    ),
    "list": (BACKWARD, "return [dy]", "hlo_double_backward gives a list, expected a tuple (dx, …)."),
    "two": (
        BACKWARD,
        "return dy, dy",
        "'double2': its backward rule gives 2 gradients, expected one w.r.t. each of its 1",
    ),
    "dx": (BACKWARD, "return (2.0,)", "'double2': its backward rule gives a float, expected a value of 4x8."),
    "raises": (BACKWARD, "raise ValueError('no')", ":{}: ValueError: no. Correct the file."),
}


@pytest.mark.parametrize("name", RULES)
def test_a_layer_whose_function_fails_is_one_line_with_the_place(name: str, tmp_path: Path) -> None:
    right, wrong, said = RULES[name]
    text = DOUBLED.replace(right, wrong)
    path = write(tmp_path, f"wrong_{name}", text)
    found = emit(path, tmp_path / "out")
    line = text[: text.index(wrong)].count("\n") + 1
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith((f"harness: {path}:", "harness: Doubled, 'double"))
    assert said.format(line) in found.stderr


def test_a_gradient_that_a_layer_leaves_out_is_told(tmp_path: Path) -> None:
    params = "    def params(self):\n        return (Param('scale', (1,), 'ones'),)\n\n    def out_shape"
    text = DOUBLED.replace("    def out_shape", params).replace("import Layer,", "import Layer, Param,")
    found = emit(write(tmp_path, "scaled", text), tmp_path / "out")
    said = "harness: Doubled: no backward rule gives the gradient of 'double2.scale'. Call h.grad there.\n"
    assert (found.exit_code, found.stderr) == (2, said.replace("double2", "double1"))


def test_a_loss_and_an_optimizer_of_a_file_mean_what_those_of_the_package_do(tmp_path: Path) -> None:
    nn = ROOT / "harness" / "nn"
    text = (nn / "optimizers" / "adam.py").read_text().replace("Adam", "Mine")
    text += (nn / "losses" / "softmax_cross_entropy.py").read_text().replace("SoftmaxCrossEntropy", "Surprise")
    text += NETWORK[NETWORK.index("from harness") :].replace("=Sgd()", "=Mine()")
    path = write(tmp_path, "parts", text.replace("loss=SoftmaxCrossEntropy()", "loss=Surprise()"))
    assert emit(path, tmp_path).exit_code == 0
    assert emit(write(tmp_path, "usual", NETWORK.replace("Sgd", "Adam")), tmp_path).exit_code == 0
    own, package = ((tmp_path / f"{name}.phase3.train_step.mlir").read_text() for name in ("parts", "usual"))
    assert "Loss: Surprise" in own
    assert _operations(own) == _operations(package)


def _operations(module: str) -> list[str]:
    return re.findall(r"stablehlo\.\w+", module)


def test_an_optimizer_that_keeps_nothing_is_emitted(tmp_path: Path) -> None:
    rules = "".join(
        f"\n@{side}_optimizer(Plain)\ndef {side}(optimizer, b, g, t):\n    return (g,)\n"
        for side in ("reference", "jax", "hlo")
    )
    text = "from dataclasses import dataclass\nfrom harness.spec.netspec import Optimizer\n"
    text += "from harness.spec.rules import hlo_optimizer, jax_optimizer, reference_optimizer\n"
    text += f"@dataclass(frozen=True)\nclass Plain(Optimizer):\n    pass\n{rules}{NETWORK}".replace(
        "=Sgd()", "=Plain()"
    )
    assert emit(write(tmp_path, "plain", text), tmp_path).exit_code == 0
    script = (tmp_path / "plain.phase2.py").read_text()
    assert 'def plain(g, t):\n    """Plain: the direction of the step."""\n    return g\n' in script
    compile(script, "plain", "exec")


def test_a_layer_without_a_rule_is_told(tmp_path: Path) -> None:
    text = re.sub(r"@jax_rule.*?\n\n\n", "", DOUBLED, flags=re.DOTALL)
    found = emit(write(tmp_path, "lacking", text), tmp_path / "out")
    assert found.exit_code == 2
    assert "harness: jax_rule: no rule for Double. " in found.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("gone.py", "gone.py: no such file. Give the path of a network's file, or a name of `harness models`."),
        ("gone/mnist_mlp.py", "gone/mnist_mlp.py: no such file. "),
        ("folder.py", "folder.py: a folder; expected a network's file, NAME.py."),
        ("folder.py/", "folder.py: a folder; expected"),
        ("./tiny", "./tiny: a network's file ends with .py. Give the path of such a file."),
        ("1st.py", "1st.py: expected a file name of letters, digits, `_` and `-` that begins with a letter"),
        ("a.b.py", "a.b.py: expected a file name of letters"),
        ("mnist_mlp.py", "mnist_mlp.py: 'mnist_mlp' is a network of this package, whose traces and references have"),
        ("MNIST_CNN.py", "MNIST_CNN.py: 'mnist_cnn' is a network of this package"),
        ("/dev/null.py", "/dev/null.py: no such file"),
        ("pipe.py", "pipe.py: not a regular file; expected a network's file, NAME.py."),
        ("tiny", "unknown model 'tiny'; known are "),
    ],
)
def test_what_is_no_file_of_a_network_is_one_line(
    path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    for name in ("tiny", "mnist_mlp", "MNIST_CNN", "1st", "a.b"):
        write(tmp_path, name, NETWORK)
    with pytest.raises(SpecError) as caught:
        load_model(path)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_none_says_how_a_file_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "tiny", NETWORK)
    with pytest.raises(SpecError, match=r"a network of your own is given by the path of its file, NAME\.py\.$"):
        load_model("tiny")


def test_two_files_of_one_name_are_refused_and_the_first_stays(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first, second = write(tmp_path / "a", "tiny", NETWORK), write(tmp_path / "b", "tiny", NETWORK)
    load_model(str(first))
    with pytest.raises(SpecError, match=rf"{second}: {first} has the same short name, 'tiny'\. Rename one of them\."):
        load_model(str(second))
    assert load_model(str(first)).file == str(first)


def test_an_error_keeps_its_kind_and_names_its_place_once(tmp_path: Path) -> None:
    text = NETWORK + "from harness.errors import RuleError\nraise RuleError('no rule.')\n"
    path = write(tmp_path, "kinds", text)
    with pytest.raises(RuleError, match=rf"^{path}:{LINE + 1}: no rule\.$"):
        load_model(str(path))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", r"sizes\.py: network\(14\) is of type NoneType, expected a NetSpec\."),
        ("return image_size / 0", r"sizes\.py:\d+: ZeroDivisionError: "),
        ("pass", r"network\(14\) is of type NoneType"),
    ],
)
def test_a_function_for_sizes_that_fails_is_one_line(body: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, "sizes", NETWORK + f"def network(image_size):\n    {body}\n")
    with pytest.raises(HarnessError, match=said):
        load_model(str(path), image_size=14)


def test_a_broken_network_of_the_package_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import harness.specs

    write(tmp_path, "broken", "x = 1\ny = nothing\n")
    monkeypatch.setattr(harness.specs, "__path__", [*harness.specs.__path__, str(tmp_path)])
    found = CliRunner().invoke(main, ["models"], catch_exceptions=False)
    assert found.exit_code == 2
    assert found.stderr == "harness: specs/broken.py:2: NameError: name 'nothing' is not defined. Correct the file.\n"
    assert "mnist_mlp" in found.stdout
    assert "vit_tiny" in found.stdout
    assert load_model("mnist_mlp").name == "mnist_mlp"


def test_a_path_may_begin_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "homely", NETWORK)
    assert load_model("~/homely.py").source == "~/homely.py"
    assert in_folder("~/homely.py", Path("ci")) == str(tmp_path / "homely.py")


def test_a_file_that_changes_the_folder_moves_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "moves", "import os\nos.chdir('/')\n" + NETWORK)
    assert emit(path, Path("out")).exit_code == 0
    assert (tmp_path / "out").is_dir()
