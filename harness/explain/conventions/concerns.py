"""Which networks and trainings a switch concerns."""

from dataclasses import replace

from harness.data import TASKS
from harness.explain.conventions.switches import Concerns
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.optimizers import Adam, Sgd
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph


def holds(layer: type) -> Concerns:
    """Networks with a layer of that type."""
    return lambda graph, config: any(type(node.layer) is layer for node in graph.nodes)


def epsilon_other_than(layer: type, value: float) -> Concerns:
    """Networks with a norm of that type whose epsilon is another."""

    def concerns(graph: Graph, config: TrainConfig) -> bool:
        norms = [node.layer for node in graph.nodes if isinstance(node.layer, BatchNorm | InstanceNorm | LayerNorm)]
        return any(type(norm) is layer and norm.epsilon != value for norm in norms)

    return concerns


def gelu(approximate: str) -> Concerns:
    """Networks with a GELU of that form."""
    return lambda graph, config: any(
        isinstance(node.layer, Gelu) and node.layer.approximate == approximate for node in graph.nodes
    )


def decays(graph: Graph, config: TrainConfig) -> bool:
    """Weight decay."""
    return config.weight_decay > 0


def decays_not_all(graph: Graph, config: TrainConfig) -> bool:
    """Weight decay, of some parameters only."""
    return decays(graph, config) and not all(p.decays for p in graph.params)


def adam(graph: Graph, config: TrainConfig) -> bool:
    """Adam."""
    return isinstance(config.optimizer, Adam)


def momentum(graph: Graph, config: TrainConfig) -> bool:
    """Gradient descent with momentum."""
    return isinstance(config.optimizer, Sgd) and config.optimizer.momentum > 0


def padded_differently(*kinds: type) -> Concerns:
    """Networks where symmetric padding changes the low side of a convolution of these kinds."""

    def concerns(graph: Graph, config: TrainConfig) -> bool:
        for node in graph.nodes:
            layer = node.layer
            if type(layer) not in kinds:
                continue
            assert isinstance(layer, Convolution | DepthwiseConvolution)
            same, symmetric = (replace(layer.windows, padding=padding) for padding in ("SAME", "SYMMETRIC"))
            sizes = node.in_shapes[0][1:]
            if layer.padding == "SAME" and [low for _, low, _ in same.spans(sizes)] != [
                low for _, low, _ in symmetric.spans(sizes)
            ]:
                return True
        return False

    return concerns


def symmetric(graph: Graph, config: TrainConfig) -> bool:
    """Symmetric padding of all convolutions, unless depthwise ones are all that it would change."""
    return padded_differently(Convolution)(graph, config)


def schedule(graph: Graph, config: TrainConfig) -> bool:
    """A learning rate that changes from epoch to epoch."""
    return config.schedule == "epoch" and changes_rate(graph, config)


def changes_rate(graph: Graph, config: TrainConfig) -> bool:
    """A learning rate that changes."""
    return config.cosine or config.warmup_epochs > 0


def smoothed(graph: Graph, config: TrainConfig) -> bool:
    """Label smoothing."""
    return config.label_smoothing > 0


def unsmoothed(graph: Graph, config: TrainConfig) -> bool:
    """No label smoothing."""
    return config.label_smoothing == 0


def channels(count: int) -> Concerns:
    """Images of so many channels; a vector counts as one of one."""
    return lambda graph, config: (graph.spec.input_shape[0] if len(graph.spec.input_shape) == 3 else 1) == count


def always(graph: Graph, config: TrainConfig) -> bool:
    """Any training."""
    return True


def normalised(graph: Graph, config: TrainConfig) -> bool:
    """Images whose pixels are normalised."""
    task = TASKS.get(graph.spec.dataset)
    return task is not None and task.normalisation is not None
