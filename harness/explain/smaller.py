"""The smallest network in which a side is still off as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.explain.definition import DefinedStep
from harness.explain.locate import define
from harness.explain.party import Meant, Party
from harness.explain.piece import LIMIT_F64
from harness.explain.whole import run_plain, worst_of
from harness.nn.layers.dense import Dense
from harness.run.inprocess import Batch
from harness.spec.netspec import Layer, NetSpec, Shape
from harness.spec.shapes import infer_shapes

_TRIES = 16  # each is a compilation of a whole step


def shrink(party: Party) -> tuple[Party, DefinedStep]:
    """Without layers and examples whose absence leaves the first step off in f64, and the definition of that step."""
    smallest, truth, tries = party, define(party.meant, 1)[1], 0
    found = True
    while found:
        found = False
        for meant in _smaller(smallest.meant):
            if tries == _TRIES:
                return smallest, truth
            tries += 1
            other = Party(party.pipeline, meant, conventions=party.conventions, rules=party.rules)
            right = define(meant, 1)[1]
            if not _off(other, right) <= LIMIT_F64:
                smallest, truth, found = other, right, True
                break
    return smallest, truth


def _off(party: Party, truth: DefinedStep) -> float:
    """By how much the first step is off; one that cannot be made or run is as good as right."""
    try:
        return worst_of(run_plain(party, party.sides["f64"], "f64", 1)[-1], truth).error
    except HarnessError:
        return 0.0


def _smaller(meant: Meant) -> Iterator[Meant]:
    """Half of the examples, then every network with one layer less whose shapes can be made to fit."""
    size = meant.config.batch_size
    if size > 1:
        batches = [Batch(batch.x[: size // 2], batch.labels[: size // 2]) for batch in meant.batches]
        yield replace(meant, config=replace(meant.config, batch_size=size // 2), batches=batches)
    spec = meant.graph.spec
    for place in range(len(spec.layers)):
        try:
            fitted = _fitted(spec, [*spec.layers[:place], *spec.layers[place + 1 :]])
            yield replace(meant, graph=infer_shapes(fitted))
        except HarnessError:
            continue


def _fitted(spec: NetSpec, layers: list[Layer]) -> NetSpec:
    """The layers as a network, with dense ones as wide as what comes to them."""
    done: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Dense):
            layer = replace(layer, inputs=_shape_behind(spec, done)[-1])
        done.append(layer)
    return replace(spec, layers=done)


def _shape_behind(spec: NetSpec, layers: list[Layer]) -> Shape:
    probe = infer_shapes(replace(spec, layers=[*layers, _Probe(classes=spec.classes, name="probe")]))
    return probe.nodes[-1].in_shapes[0]


@dataclass(frozen=True)
class _Probe(Layer):
    """Takes anything and gives what a loss wants."""

    classes: int

    def out_shape(self, *inputs: Shape) -> Shape:
        return (self.classes,)
