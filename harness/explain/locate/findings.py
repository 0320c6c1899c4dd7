"""Every piece of a training step in isolation, against the definition: one that fails is itself wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.explain.locate.definition import DefinedStep, Definition
from harness.explain.locate.isolated import IsolatedPieces
from harness.explain.locate.pieces import Direction, Expectation, IsolatedTest, isolated_tests
from harness.spec.netspec import DType


@dataclass(frozen=True)
class Finding:
    """A piece that fails in isolation. `error`: of `tensor`, relative to its scale, where `allowed` is the bound.

    `direction`: forward, backward or optimizer. `layer`: the node's name, `loss` or `optimizer`. `t`: of the step.
    """

    layer: str
    direction: Direction
    side: str
    tensor: str
    error: float
    allowed: float
    dtype: DType
    t: int

    @property
    def wrong_result(self) -> str:
        """The name of the wrong result: `the gradient w.r.t. conv4.relu`."""
        if self.tensor == "loss":
            return "the loss"
        prefix = {"backward": "gradient w.r.t.", "forward": "value of", "optimizer": "update of"}[self.direction]
        return f"the {prefix} {self.tensor}"


def find_failures(
    definition: Definition, step: DefinedStep, sides: Sequence[tuple[str, IsolatedPieces]], dtype: DType
) -> Iterator[Finding]:
    """The wrong results of the sides, in the order of a training step."""
    for test in isolated_tests(definition, step):
        expectation = Expectation(test, definition, dtype)
        for name, pieces in sides:
            for tensor, error in zip(test.results, expectation.errors(pieces), strict=True):
                if not error <= expectation.allowed:
                    at: Direction = test.direction or ("forward" if tensor == "loss" else "backward")
                    yield Finding(test.layer, at, name, tensor, error, expectation.allowed, dtype, test.t)


def isolated_test_of(finding: Finding, definition: Definition, step: DefinedStep) -> IsolatedTest:
    """The test that a finding is of."""
    return next(
        test
        for test in isolated_tests(definition, step)
        if test.layer == finding.layer and test.direction in ("", finding.direction) and test.t == finding.t
    )
