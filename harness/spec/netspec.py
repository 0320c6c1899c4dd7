"""Specification of a training: the network, its training configuration and the conventions left open by both.

Everything here is a frozen dataclass of facts. It imports no back end and does no arithmetic on tensors.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, ClassVar, Literal, Protocol, get_args

from harness.errors import SpecError
from harness.spec.fields import Padding, check_fields, describe, require

Shape = tuple[int, ...]
Arithmetic = Literal["f32", "f64"]
# Precision of a cell: that of all its numbers, or `wide`: f64, with parameters that each step rounds to f32 at its end.
DType = Literal["f32", "f64", "wide"]
Initialiser = Literal["he_normal", "zeros", "ones"]


def arithmetic_of(dtype: DType) -> Arithmetic:
    """The type of everything in a cell but, if it is wide, the parameters between two steps."""
    return "f32" if dtype == "f32" else "f64"


@dataclass(frozen=True)
class Param:
    """One trainable tensor of a layer. `decays`: weight decay applies to it when the decay set is "weights"."""

    name: str
    shape: Shape
    init: Initialiser
    fan_in: int = 1
    decays: bool = False


@dataclass(frozen=True)
class State:
    """One tensor that a layer updates but does not train (a running statistic). Starts at zero."""

    name: str
    shape: Shape


class Block(Protocol):
    """Where a layer adds its nodes; shape inference gives it."""

    def add(self, layer: "Layer", *inputs: str, name: str = "") -> str:
        """Add one node that reads the values named `inputs`; returns its own name.

        Without a `name` inside the scope, the first node is called like the scope and others after their kind.
        """

    def nest(self, layer: "Layer", x: str, name: str) -> str:
        """Expand a layer in a scope of its own behind value `x`; returns the name of its last node."""

    def shape(self, name: str) -> Shape:
        """Shape of a value added before, without the batch."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Facts of one layer. Shapes exclude the batch dimension; images are (C, H, W).

    `name` is given by the network when left empty: the kind and its count from 1 (`conv3`).
    """

    name: str = ""
    kind: ClassVar[str] = "layer"

    def validate(self) -> None:
        """Raise SpecError when the fields make no sense on their own."""

    def params(self) -> tuple[Param, ...]:
        """Trainable tensors in the order in which the init file holds them."""
        return ()

    def states(self) -> tuple[State, ...]:
        """Running statistics, in order."""
        return ()

    def out_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output. Raises SpecError when the inputs do not fit."""
        raise SpecError(f"layer {type(self).__name__} is a composition and has no shape of its own")

    def settled(self, node: str) -> "Layer":
        """The same layer, with nothing left to follow from the name of its node."""
        return self

    def expand(self, block: Block, x: str) -> str:
        """Add this layer's nodes to `block` behind value `x`; a composition adds other layers instead of itself."""
        return block.add(self, x)


@dataclass(frozen=True, kw_only=True)
class Activated(Layer):
    """A layer followed by an optional activation, which is a layer of its own without parameters."""

    activation: Layer | None = None

    def expand(self, block: Block, x: str) -> str:
        y = block.add(self, x)
        return y if self.activation is None else block.add(self.activation, y)


@dataclass(frozen=True)
class Loss:
    """Facts of a loss. Source: specs/README.md, Loss."""


@dataclass(frozen=True)
class Optimizer:
    """Facts of an optimizer. `slots`: names of the tensors it keeps for each parameter, zero at the start."""

    slots: ClassVar[tuple[str, ...]] = ()

    def validate(self) -> None:
        """Raise SpecError when the fields make no sense."""

    @property
    def magnification(self) -> float:
        """By how much a relative rounding error can grow between the gradient and the direction."""
        return 1.0


@dataclass(frozen=True)
class Conventions:
    """Choices that published training programs make differently under one config. Source: specs/README.md, Conventions.

    A trace's header carries them as evidence. One that a rule does not implement is an EmitError, never ignored.

    Raises: SpecError for a value that a switch does not have.
    """

    weight_decay: Literal["decoupled", "coupled"] = "decoupled"
    decay_set: Literal["weights", "all"] = "weights"
    pool_ties: Literal["first", "all"] = "first"
    batch_norm_inverse_count: Literal["exact", "six-decimals"] = "exact"
    batch_norm_statistics: Literal["batch", "instance"] = "batch"
    batch_norm_epsilon: Literal["inside", "outside"] = "inside"
    adam_epsilon: Literal["outside", "inside"] = "outside"
    adam_bias_correction: Literal["on", "off"] = "on"
    padding: Literal["same", "symmetric", "symmetric-depthwise"] = "same"
    loss_reduction: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            found, values = getattr(self, field.name), get_args(field.type)
            if found not in values:
                raise SpecError(f"{field.name} is {found!r}, expected {' or '.join(map(repr, values))}.")

    def decays(self, param: Param) -> bool:
        """True if weight decay applies to `param`."""
        return self.decay_set == "all" or param.decays

    def pads(self, padding: Padding, *, depthwise: bool = False) -> Padding | Literal["SYMMETRIC"]:
        """Padding that a convolution gets: its own, or SYMMETRIC in the place of SAME."""
        symmetric = self.padding == "symmetric" or (self.padding == "symmetric-depthwise" and depthwise)
        return "SYMMETRIC" if symmetric and padding == "SAME" else padding


# A profile names the conventions of each pipeline. "published": what the published tables' programs really ran.
PROFILES: dict[str, dict[str, Conventions]] = {
    "shared": {"phase2": Conventions(), "phase3": Conventions()},
    "published": {
        "phase2": Conventions(weight_decay="coupled", decay_set="all"),
        "phase3": Conventions(pool_ties="all", batch_norm_inverse_count="six-decimals"),
    },
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Configuration of a training. Source: specs/README.md, Training step.

    `seed` is recorded only: initial parameters come from the cell's own init seed. `schedule` says whether the learning
    rate changes between epochs or between steps.
    """

    lr: float
    batch_size: int
    epochs: int
    optimizer: Optimizer
    weight_decay: float = 0.0
    cosine: bool = False
    warmup_epochs: int = 0
    augment: bool = False
    label_smoothing: float = 0.0
    seed: int = 314159
    schedule: Literal["epoch", "step"] = "epoch"

    def __post_init__(self) -> None:
        check_fields(self)
        check_fields(self.optimizer)
        require("lr", self.lr, self.lr > 0, "a positive number")
        require("batch_size", self.batch_size, self.batch_size >= 1, "at least 1")
        require("epochs", self.epochs, self.epochs >= 1, "at least 1")
        require("weight_decay", self.weight_decay, self.weight_decay >= 0, "0 or more")
        limit = self.epochs if not self.cosine else self.epochs - 1
        require("warmup_epochs", self.warmup_epochs, 0 <= self.warmup_epochs <= limit, f"between 0 and {limit}")
        require("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "in [0, 1)")
        require("schedule", self.schedule, self.schedule in ("epoch", "step"), '"epoch" or "step"')
        self.optimizer.validate()

    def header(self) -> dict[str, Any]:
        """The `config` object of a trace header: the published keys in their order, then this project's."""
        names = ["weight_decay", "cosine", "warmup_epochs", "augment", "label_smoothing", "seed"]
        head: dict[str, Any] = {"lr": self.lr, "batch_size": self.batch_size, "epochs": self.epochs}
        head |= {"use_adam": type(self.optimizer).__name__ == "Adam"} | {name: getattr(self, name) for name in names}
        return head | {"optimizer": describe(self.optimizer), "schedule": self.schedule}


@dataclass(frozen=True, kw_only=True)
class NetSpec:
    """A network: input shape without the batch, layers in order, loss.

    Raises: SpecError, naming the layer, for a field or a name that makes no sense; `infer_shapes` checks the shapes.
    """

    name: str
    dataset: str
    input_shape: Shape
    classes: int
    layers: Sequence[Layer]
    loss: Loss

    def __post_init__(self) -> None:
        require("loss", self.loss, isinstance(self.loss, Loss), "a loss such as SoftmaxCrossEntropy()")
        require("layers", self.layers, isinstance(self.layers, list | tuple), "a list of layers")
        for position, layer in enumerate(self.layers, 1):
            if not isinstance(layer, Layer):
                raise SpecError(f"{self.name}, layer {position}: found {layer!r}, expected a layer such as Relu().")
        require("input_shape", self.input_shape, all(n >= 1 for n in self.input_shape), "positive sizes")
        if not self.layers:
            raise SpecError(f"{self.name}: no layers. A network needs at least one.")
        counts: dict[str, int] = {}
        named = []
        for position, layer in enumerate(self.layers, 1):
            counts[layer.kind] = counts.get(layer.kind, 0) + 1
            named.append(dataclasses.replace(layer, name=layer.name or f"{layer.kind}{counts[layer.kind]}"))
            where = f"{self.name}, layer {position} '{named[-1].name}'"
            if not (layer_name := named[-1].name).isidentifier() or not layer_name.isascii() or iskeyword(layer_name):
                raise SpecError(f"{where}: a layer's name must be a Python identifier in ASCII. Rename it.")
            try:
                check_fields(layer)
                layer.validate()
            except SpecError as error:
                raise SpecError(f"{where}: {error}") from None
        for position, layer in enumerate(named, 1):
            if any(other.name == layer.name for other in named[: position - 1]):
                raise SpecError(f"{self.name}, layer {position} '{layer.name}': the name is taken. Give it another.")
        object.__setattr__(self, "layers", tuple(named))

    def canonical_json(self) -> str:
        """The network as JSON with sorted keys and no blanks; equal networks give equal text on every machine."""
        return json.dumps(describe(self), sort_keys=True, separators=(",", ":"))

    def netspec_hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()
