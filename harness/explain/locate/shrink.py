"""The smallest network in which the whole step of a side is still wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.explain.locate.definition import DefinedStep
from harness.explain.locate.experiment import Experiment
from harness.explain.locate.location import define
from harness.explain.locate.pieces import LIMIT_F64
from harness.explain.locate.side_under_test import SideUnderTest
from harness.explain.locate.whole_step import run_plain, worst_deviation
from harness.nn.layers.dense import Dense
from harness.run.inprocess import Batch
from harness.spec.netspec import Layer, NetSpec, Shape
from harness.spec.shapes import infer_shapes

_TRIES = 16  # each is a compilation of a whole step


def shrink(side: SideUnderTest) -> tuple[SideUnderTest, DefinedStep]:
    """The side without the layers and examples that a wrong first step in f64 does not need, and the definition."""
    smallest, truth, tries = side, define(side.experiment, 1)[1], 0
    shrunk = True
    while shrunk:
        shrunk = False
        for experiment in _smaller_experiments(smallest.experiment):
            if tries == _TRIES:
                return smallest, truth
            tries += 1
            other = SideUnderTest(side.pipeline, experiment, conventions=side.conventions, rules=side.rules)
            expected = define(experiment, 1)[1]
            if not _error(other, expected) <= LIMIT_F64:
                smallest, truth, shrunk = other, expected, True
                break
    return smallest, truth


def _error(side: SideUnderTest, truth: DefinedStep) -> float:
    """The error of the first step in f64; 0 where it cannot be emitted or run."""
    try:
        return worst_deviation(run_plain(side, side.programs["f64"], "f64", 1)[-1], truth).error
    except HarnessError:
        return 0.0


def _smaller_experiments(experiment: Experiment) -> Iterator[Experiment]:
    """Half of the examples, then every network with one layer less whose shapes can be made to fit."""
    size = experiment.config.batch_size
    if size > 1:
        batches = [Batch(batch.x[: size // 2], batch.labels[: size // 2]) for batch in experiment.batches]
        yield replace(experiment, config=replace(experiment.config, batch_size=size // 2), batches=batches)
    spec = experiment.graph.spec
    for place in range(len(spec.layers)):
        try:
            fitted = _fitted(spec, [*spec.layers[:place], *spec.layers[place + 1 :]])
            yield replace(experiment, graph=infer_shapes(fitted))
        except HarnessError:
            continue


def _fitted(spec: NetSpec, layers: list[Layer]) -> NetSpec:
    """The layers as a network, with dense ones as wide as their inputs."""
    done: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Dense):
            layer = replace(layer, inputs=_shape_after(spec, done)[-1])
        done.append(layer)
    return replace(spec, layers=done)


def _shape_after(spec: NetSpec, layers: list[Layer]) -> Shape:
    probe = infer_shapes(replace(spec, layers=[*layers, _Probe(classes=spec.classes, name="probe")]))
    return probe.nodes[-1].in_shapes[0]


@dataclass(frozen=True)
class _Probe(Layer):
    """Takes any shape and gives that of logits."""

    classes: int

    def out_shape(self, *inputs: Shape) -> Shape:
        return (self.classes,)
