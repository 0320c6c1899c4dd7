"""The switches that a search for conventions tries: the change, the networks that it concerns, the words for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.max_pool import MaxPool
from harness.nn.optimizers import Adam
from harness.spec.netspec import Conventions, TrainConfig
from harness.spec.shapes import Graph

Concerns = Callable[[Graph, TrainConfig], bool]
Stage = Literal["forward", "backward", "update"]


@dataclass(frozen=True)
class Switch:
    """One choice that is not the default. `of`: the record that has it. `stage`: of a step, the first that it changes.

    `phrase`: the words for it after "phase 2 with". `concerns`: whether it can change the training of a network.
    """

    name: str
    value: str | float
    of: Literal["conventions", "config"]
    stage: Stage
    phrase: str
    concerns: Concerns

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Switches = frozenset[Switch]
DEFAULT: Switches = frozenset()


def _holds(layer: type) -> Concerns:
    return lambda graph, config: any(type(node.layer) is layer for node in graph.nodes)


def _decays(graph: Graph, config: TrainConfig) -> bool:
    return config.weight_decay > 0


def _decays_not_all(graph: Graph, config: TrainConfig) -> bool:
    return _decays(graph, config) and not all(p.decays for p in graph.params)


def _adam(graph: Graph, config: TrainConfig) -> bool:
    return isinstance(config.optimizer, Adam)


def _padded_differently(*kinds: type) -> Concerns:
    """True for networks where symmetric padding changes the low side of a convolution of these kinds."""

    def concerns(graph: Graph, config: TrainConfig) -> bool:
        for node in graph.nodes:
            layer = node.layer
            if type(layer) not in kinds:
                continue
            assert isinstance(layer, Convolution | DepthwiseConvolution)
            for size, places in zip(node.in_shapes[0][1:], node.out_shape[1:], strict=True):
                total = max(0, (places - 1) * layer.stride + layer.kernel - size)
                if layer.padding == "SAME" and total // 2 != (layer.kernel - 1) // 2:
                    return True
        return False

    return concerns


def _symmetric(graph: Graph, config: TrainConfig) -> bool:
    """Unless depthwise convolutions are all that it would change."""
    return _padded_differently(Convolution)(graph, config)


def _schedule(graph: Graph, config: TrainConfig) -> bool:
    return config.schedule == "epoch" and (config.cosine or config.warmup_epochs > 0)


def _smoothed(graph: Graph, config: TrainConfig) -> bool:
    return config.label_smoothing > 0


def _always(graph: Graph, config: TrainConfig) -> bool:
    return True


# In the order in which a sentence names them.
SWITCHES = (
    Switch("weight_decay", "coupled", "conventions", "update", "coupled weight decay", _decays),
    Switch("decay_set", "all", "conventions", "update", "weight decay on all parameters", _decays_not_all),
    Switch("adam_epsilon", "inside", "conventions", "update", "Adam's epsilon inside the root", _adam),
    Switch("adam_bias_correction", "off", "conventions", "update", "no bias correction in Adam", _adam),
    Switch("schedule", "step", "config", "update", "a learning rate that changes every step", _schedule),
    Switch("pool_ties", "all", "conventions", "backward", "the gradient of a pool to all tied maxima", _holds(MaxPool)),
    Switch(
        "batch_norm_inverse_count",
        "six-decimals",
        "conventions",
        "backward",
        "1/N of batch norm's backward pass in six decimals",
        _holds(BatchNorm),
    ),
    Switch(
        "batch_norm_statistics",
        "instance",
        "conventions",
        "forward",
        "batch norm over each image alone",
        _holds(BatchNorm),
    ),
    Switch(
        "batch_norm_epsilon",
        "outside",
        "conventions",
        "forward",
        "batch norm's epsilon outside the root",
        _holds(BatchNorm),
    ),
    Switch("padding", "symmetric", "conventions", "forward", "symmetric padding", _symmetric),
    Switch(
        "padding",
        "symmetric-depthwise",
        "conventions",
        "forward",
        "symmetric padding of depthwise convolutions",
        _padded_differently(DepthwiseConvolution),
    ),
    Switch("loss_reduction", "sum", "conventions", "forward", "a loss summed over the batch", _always),
    Switch("label_smoothing", 0.0, "config", "forward", "no label smoothing", _smoothed),
)


def switches_of(graph: Graph, config: TrainConfig) -> tuple[Switch, ...]:
    """The switches that concern a network and its training; no other could change anything."""
    return tuple(switch for switch in SWITCHES if switch.concerns(graph, config))


def compatible(switches: Iterable[Switch]) -> bool:
    """True unless two of them are values of one choice."""
    names = [switch.name for switch in switches]
    return len(names) == len(set(names))


def applied(switches: Iterable[Switch], config: TrainConfig) -> tuple[TrainConfig, Conventions]:
    """Configuration and conventions with those switches, everything else at its default."""
    changes: dict[str, dict[str, Any]] = {"config": {}, "conventions": {}}
    for switch in switches:
        changes[switch.of][switch.name] = switch.value
    return replace(config, **changes["config"]), Conventions(**changes["conventions"])


def phrase(switches: Iterable[Switch]) -> str:
    """Several switches in words: `coupled weight decay on all parameters and …`."""
    chosen = [switch for switch in SWITCHES if switch in set(switches)]
    if not chosen:
        return "the default conventions"
    words = [switch.phrase for switch in chosen]
    if [switch.name for switch in chosen[:2]] == ["weight_decay", "decay_set"]:
        words[:2] = ["coupled weight decay on all parameters"]
    elif chosen[0].name == "weight_decay":
        words[0] = "coupled weight decay on weights alone"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
