"""The table of switches: each known thing that programs do otherwise, in words, and what it changes."""

from dataclasses import replace

from harness.explain.conventions import concerns, variants
from harness.explain.conventions.practice import (
    Change,
    constant,
    convention,
    edited,
    emitted_by,
    fed_with,
    of_optimizer,
    recorded_gradients,
    replaced,
    setting,
)
from harness.explain.conventions.switches import Concerns, Part, Stage, Switch
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.losses import SoftmaxCrossEntropy
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph


def _convention(name: str, value: str, stage: Stage, phrase: str, concerned: Concerns) -> Switch:
    part: Part = "update" if stage == "optimizer" else "network"
    return Switch(name, value, stage, phrase, concerned, convention(name, value), (part,))


def _adam(name: str, value: str | float, phrase: str, change: Change) -> Switch:
    return Switch(name, value, "optimizer", phrase, concerns.adam, change, ("update",))


def _epsilon(value: float) -> Switch:
    return _adam("epsilon", value, f"an epsilon of {value:g} in Adam", of_optimizer(epsilon=value))


def _betas(beta1: float, beta2: float) -> Switch:
    change = of_optimizer(beta1=beta1, beta2=beta2)
    return _adam("betas", f"{beta1:g}/{beta2:g}", f"betas of {beta1:g} and {beta2:g} in Adam", change)


def _decay(value: str, phrase: str, change: Change) -> Switch:
    return Switch("weight_decay", value, "optimizer", phrase, concerns.decays, change, ("update",))


def _momentum(value: str, phrase: str, change: Change) -> Switch:
    return Switch("momentum", value, "optimizer", phrase, concerns.momentum, change, ("update",))


def _clipping(norm: float) -> tuple[Switch, Switch]:
    words = f"gradients clipped to a global norm of {norm:g}"
    seen, unseen = recorded_gradients(variants.clipped(norm)), edited(variants.clipped_unseen(norm))
    return (
        Switch("clipping", norm, "backward", words, concerns.always, seen, ("gradients",)),
        Switch(
            "clipping",
            f"{norm:g}, unseen",
            "optimizer",
            f"{words} after they were recorded",
            concerns.always,
            unseen,
            ("update",),
        ),
    )


def _gradients(value: str | float, phrase: str, change: Change) -> Switch:
    return Switch("gradients", value, "backward", phrase, concerns.always, change, ("gradients",))


def _scaled(factor: float) -> Switch:
    return _gradients(factor, f"gradients times {factor:g}", recorded_gradients(variants.scaled(factor)))


def _norm_epsilon(layer: type, name: str, words: str, value: float) -> Switch:
    phrase = f"an epsilon of {value:g} in {words}"
    concerned = concerns.epsilon_other_than(layer, value)
    return Switch(name.lower(), value, "forward", phrase, concerned, constant(name, value), ("network",))


def _running(name: str, value: str | float, phrase: str, change: Change) -> Switch:
    return Switch(name, value, "statistics", phrase, concerns.holds(BatchNorm), change, ("network",))


def _running_momentum(value: float) -> Switch:
    phrase = f"running statistics that keep {value:g} of their old value"
    return _running("running_momentum", value, phrase, constant("BN_MOMENTUM", value))


def _smoothing(value: float) -> Switch:
    phrase = f"label smoothing of {value:g}"
    change = setting("label_smoothing", value)
    return Switch("label_smoothing", value, "forward", phrase, concerns.unsmoothed, change, ("network",))


def _data(name: str, value: str, phrase: str, change: Change, concerned: Concerns = concerns.always) -> Switch:
    return Switch(name, value, "data", phrase, concerned, change, ("batch",))


def _standardised(value: str, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Switch:
    numbers = (", ".join(f"{x:g}" for x in values) for values in (mean, deviation))
    phrase = f"pixels of mean {next(numbers)} and deviation {next(numbers)} normalised"
    change = fed_with(variants.pixels(variants.standardised(mean, deviation)))
    return _data("pixels", value, phrase, change, concerns.channels(len(mean)))


SWITCHES = (
    _convention("weight_decay", "coupled", "optimizer", "coupled weight decay", concerns.decays),
    _decay("off", "no weight decay", setting("weight_decay", 0.0)),
    _decay("not-times-rate", "weight decay that is not times the learning rate", edited(variants.decay_without_rate)),
    _decay(
        "after-not-times-rate",
        "weight decay of the updated parameters that is not times the learning rate",
        edited(variants.decay_after_without_rate),
    ),
    _decay("after", "weight decay of the updated parameters", edited(variants.decay_after)),
    Switch(
        "weight_decay",
        "in-gradients",
        "backward",
        "weight decay in the recorded gradients",
        concerns.decays,
        variants.in_gradients,
        ("gradients", "update"),
    ),
    _convention("decay_set", "all", "optimizer", "weight decay on all parameters", concerns.decays_not_all),
    *(_epsilon(value) for value in (1e-3, 1e-5, 1e-6, 1e-7, 1e-10)),
    _convention("adam_epsilon", "inside", "optimizer", "Adam's epsilon inside the root", concerns.adam),
    _adam(
        "adam_epsilon",
        "uncorrected",
        "Adam's epsilon added before the second moment's bias is corrected",
        edited(variants.uncorrected_epsilon),
    ),
    *(_betas(*pair) for pair in ((0.9, 0.99), (0.9, 0.98), (0.9, 0.95), (0.95, 0.999), (0.8, 0.999), (0.999, 0.9))),
    _convention("adam_bias_correction", "off", "optimizer", "no bias correction in Adam", concerns.adam),
    _adam(
        "adam_bias_correction",
        "second",
        "Adam's bias correction of the second moment alone",
        edited(variants.uncorrected_first),
    ),
    replace(
        _adam(
            "adam_powers", "precise", "Adam's powers of the betas in double precision", edited(variants.precise_powers)
        ),
        rounds=True,
    ),
    _adam("momentum", "nesterov-adam", "Nesterov's momentum in Adam", edited(variants.nesterov_adam)),
    _momentum("nesterov", "Nesterov's momentum", edited(variants.nesterov)),
    _momentum("dampened", "dampening of gradients after the first by 1 - momentum", edited(variants.dampened)),
    _momentum("averaged", "gradients times 1 - momentum in the velocity", edited(variants.averaged)),
    *(switch for norm in (0.1, 0.5, 1.0, 2.0, 5.0) for switch in _clipping(norm)),
    Switch(
        "schedule",
        "step",
        "schedule",
        "a learning rate that changes every step",
        concerns.schedule,
        setting("schedule", "step"),
        ("rate",),
    ),
    Switch(
        "rate",
        "late",
        "schedule",
        "a learning rate applied one step late, 0 in the first",
        concerns.always,
        replaced(shift=1),
        ("rate",),
    ),
    Switch(
        "rate",
        "early",
        "schedule",
        "a learning rate applied one step early",
        concerns.changes_rate,
        replaced(shift=-1),
        ("rate",),
    ),
    _gradients("batch", "gradients summed over the batch", recorded_gradients(variants.times_batch)),
    _gradients("over-batch", "gradients averaged twice over the batch", recorded_gradients(variants.over_batch)),
    *(_scaled(factor) for factor in (0.5, 1.5, 2.0)),
    _convention("pool_ties", "all", "backward", "the gradient of a pool to all tied maxima", concerns.holds(MaxPool)),
    _convention(
        "batch_norm_inverse_count",
        "six-decimals",
        "backward",
        "1/N of batch norm's backward pass in six decimals",
        concerns.holds(BatchNorm),
    ),
    _convention(
        "batch_norm_statistics",
        "instance",
        "forward",
        "batch norm over each image alone",
        concerns.holds(BatchNorm),
    ),
    _convention(
        "batch_norm_epsilon",
        "outside",
        "forward",
        "batch norm's epsilon outside the root",
        concerns.holds(BatchNorm),
    ),
    *(_norm_epsilon(BatchNorm, "BN_EPSILON", "batch norm", value) for value in (1e-3, 1e-4, 1e-6)),
    *(_norm_epsilon(LayerNorm, "LN_EPSILON", "layer norm", value) for value in (1e-3, 1e-6, 1e-12)),
    *(_norm_epsilon(InstanceNorm, "IN_EPSILON", "instance norm", value) for value in (1e-3, 1e-6)),
    *(_running_momentum(value) for value in (0.1, 0.99, 0.997, 0.999)),
    _running("running_variance", "unbiased", "running variances of N - 1", edited(variants.unbiased_variance)),
    _running(
        "running_start",
        "zero-one",
        "running statistics that start from mean 0 and variance 1",
        variants.started_from_zero_and_one,
    ),
    Switch(
        "gelu",
        "exact",
        "forward",
        "GELU by the error function",
        concerns.gelu("tanh"),
        emitted_by(jax={Gelu: variants.jax_exact_gelu}),
        ("network",),
    ),
    Switch(
        "gelu",
        "tanh",
        "forward",
        "GELU in its tanh form",
        concerns.gelu("none"),
        emitted_by(jax={Gelu: variants.jax_tanh_gelu}),
        ("network",),
    ),
    _convention("padding", "symmetric", "forward", "symmetric padding", concerns.symmetric),
    _convention(
        "padding",
        "symmetric-depthwise",
        "forward",
        "symmetric padding of depthwise convolutions",
        concerns.padded_differently(DepthwiseConvolution),
    ),
    _convention("loss_reduction", "sum", "forward", "a loss summed over the batch", concerns.always),
    Switch(
        "label_smoothing",
        0.0,
        "forward",
        "no label smoothing",
        concerns.smoothed,
        setting("label_smoothing", 0.0),
        ("network",),
    ),
    *(_smoothing(value) for value in (0.05, 0.1, 0.2)),
    Switch(
        "label_smoothing",
        "others",
        "forward",
        "label smoothing over the K - 1 other classes",
        concerns.smoothed,
        emitted_by(jax_loss={SoftmaxCrossEntropy: variants.jax_smoothed_over_others}),
        ("network",),
    ),
    _data("labels", "next", "labels one class further", fed_with(variants.labels_from_one)),
    _data("pixels", "0-1", "pixels from 0 to 1", fed_with(variants.pixels(lambda x: x)), concerns.normalised),
    _data("pixels", "bytes", "pixels from 0 to 255", fed_with(variants.pixels(lambda x: x * 255))),
    _data("pixels", "256ths", "pixels divided by 256", fed_with(variants.pixels(lambda x: x * (255 / 256)))),
    _data("pixels", "centred", "pixels from -0.5 to 0.5", fed_with(variants.pixels(lambda x: x - 0.5))),
    _data("pixels", "symmetric", "pixels from -1 to 1", fed_with(variants.pixels(lambda x: 2 * x - 1))),
    _data("pixels", "inverted", "pixels inverted", fed_with(variants.pixels(lambda x: 1 - x))),
    _standardised("mnist", (0.1307,), (0.3081,)),
    _standardised("halves", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    _standardised("cifar10", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    _standardised("cifar10-rounded", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    _standardised("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
)


def switches_of(graph: Graph, config: TrainConfig) -> tuple[Switch, ...]:
    """The switches that concern a network and its training; no other could change anything."""
    return tuple(switch for switch in SWITCHES if switch.concerns(graph, config))
