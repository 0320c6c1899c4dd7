import dataclasses
import json

import pytest

from harness.errors import SpecError
from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.layers.uib import Uib
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.spec.models import load_model, model_names
from harness.spec.netspec import Layer, NetSpec, TrainConfig
from harness.spec.shapes import infer_shapes


def net(*layers: Layer, shape: tuple[int, ...] = (1, 28, 28)) -> NetSpec:
    return NetSpec(
        name="net", dataset="mnist", input_shape=shape, classes=10, layers=layers, loss=SoftmaxCrossEntropy()
    )


def test_published_networks_have_the_published_sizes() -> None:
    sizes = {name: (load_model(name).graph.total_params, len(load_model(name).graph.params)) for name in model_names()}
    assert sizes["mnist_mlp"] == (669_706, 6)
    assert sizes["mnist_cnn"] == (1_676_458, 16)


def test_layers_are_named_by_kind_and_count() -> None:
    names = [layer.name for layer in load_model("mnist_cnn").spec.layers]
    assert names == ["conv1", "conv2", "pool1", "conv3", "conv4", "pool2", "flatten1", "dense1", "dense2"]
    graph = load_model("mnist_cnn").graph
    assert [p.name for p in graph.params][:4] == ["conv1.w", "conv1.gamma", "conv1.beta", "conv2.w"]
    assert [n.name for n in graph.nodes][:4] == ["conv1", "conv1.bn", "conv1.relu", "conv2"]


def test_hash_is_stable_and_sees_every_field() -> None:
    base = net(Flatten(), Dense(784, 10))
    assert base.netspec_hash() == net(Flatten(), Dense(784, 10)).netspec_hash()
    others = [
        net(Flatten(), Dense(784, 10, activation=Relu())),
        net(Flatten(name="flat"), Dense(784, 10)),
        dataclasses.replace(base, name="other"),
        net(Flatten(), Dense(784, 10), shape=(1, 14, 56)),
    ]
    assert len({base.netspec_hash(), *(other.netspec_hash() for other in others)}) == 5
    assert json.loads(base.canonical_json())["layers"][1]["units"] == 10


def test_what_says_nothing_new_keeps_the_hash_that_it_had() -> None:
    kept = load_model("mnist_cnn").spec.netspec_hash()
    assert kept == "baf5fc70351a0a8eacacd79df625d7fc5ec4a8e05eea14dd1ffc79f21fe6bddf"
    (layer,) = json.loads(net(ConvBn(1, 4)).canonical_json())["layers"]
    assert list(layer) == ["activation", "in_channels", "is", "kernel", "name", "out_channels", "padding", "stride"]


def test_the_hash_sees_what_is_off_its_default_and_equal_pairs_as_numbers() -> None:
    plain, *others = (
        Convolution(4, 4, 3),
        Convolution(4, 4, (3, 1)),
        Convolution(4, 4, 3, padding=1),
        Convolution(4, 4, 3, dilation=2),
        Convolution(4, 4, 3, groups=2),
    )
    hashes = {net(layer).netspec_hash() for layer in (plain, *others)}
    assert len(hashes) == 5
    assert net(Convolution(4, 4, (3, 3), (1, 1), "SAME", (1, 1))).netspec_hash() in hashes
    assert net(Convolution(4, 4, 3, padding=(1, 1))).netspec_hash() in hashes
    assert net(Gelu()).netspec_hash() != net(Gelu("none")).netspec_hash()
    assert net(ConvBn(1, 4)).netspec_hash() != net(ConvBn(1, 4, epsilon=1e-3)).netspec_hash()


def test_an_automatic_name_and_the_same_name_given_are_one_network() -> None:
    assert net(Flatten(name="flatten1"), Dense(784, 10)) == net(Flatten(), Dense(784, 10))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [ConvBn(1, 32), ConvBn(64, 32)],
            "net, layer 2 'conv2': the input has 32 channels, w was declared for 64. Set in_channels=32. "
            "Change it or 'conv1'.",
        ),
        ([Dense(784, 10)], "net, layer 1 'dense1': the input is an image 1x28x28"),
        ([Flatten(), Dense(785, 10)], "net, layer 2 'dense1': the input has 784 features, w was declared for 785"),
        ([Flatten(), MaxPool()], "net, layer 2 'pool1': the input has shape 784, pooling needs an image"),
        ([Conv2d(1, 4, 31, padding="VALID")], "net, layer 1 'conv1': a window of 31 does not fit into 28 pixels"),
        (
            [MaxPool((2, 30), padding="VALID")],
            "net, layer 1 'pool1': a window of 30 does not fit into 28 pixels. Use SAME padding or a smaller window.",
        ),
        (
            [Conv2d(1, 4, 3, padding=(0, 2), dilation=(1, 16))],
            "net, layer 1 'conv1': a window of 33 does not fit into 28 pixels and 2 of padding on each side. Use SAME",
        ),
        ([Conv2d(1, 4, (3, 0))], "net, layer 1 'conv1': kernel=(3, 0); it must be at least 1."),
        ([Conv2d(1, 4, 3, (0, 1))], "net, layer 1 'conv1': stride=(0, 1); it must be at least 1."),
        ([ConvBn(1, 4, 3, dilation=0)], "net, layer 1 'conv1': dilation=0; it must be at least 1."),
        ([Conv2d(1, 4, 3, groups=0)], "net, layer 1 'conv1': groups=0; it must be at least 1."),
        (
            [Conv2d(1, 4, 3, groups=2)],
            "net, layer 1 'conv1': groups=2 does not divide in_channels=1; it must divide both",
        ),
        (
            [Conv2d(1, 4, 3), Conv2d(4, 6, 3, groups=4)],
            "net, layer 2 'conv2': groups=4 does not divide out_channels=6; it must divide both",
        ),
        (
            [Conv2d(1, 4, 3, padding=-1)],
            "net, layer 1 'conv1': padding=-1; it must be at least 0 and less than 3, the pixels that a window reaches",
        ),
        ([MaxPool(2, 2, 2)], "net, layer 1 'pool1': padding=2; it must be at least 0 and less than 2, the pixels"),
        ([AvgPool(0)], "net, layer 1 'avgpool1': window=0; it must be at least 1."),
        ([Flatten(), AvgPool()], "net, layer 2 'avgpool1': the input has shape 784, pooling needs an image"),
        ([DepthwiseBn(1, dilation=(1, -1))], "net, layer 1 'dw1': dilation=(1, -1); it must be at least 1."),
        ([ConvBn(1, 4, epsilon=-1e-5)], "net, layer 1 'conv1': epsilon=-1e-05; it must be greater than 0."),
        ([BatchNorm(0)], "net, layer 1 'bn1': channels=0; it must be at least 1."),
        ([InstanceNorm(1, 0.0)], "net, layer 1 'in1': epsilon=0.0; it must be greater than 0."),
        (
            [InstanceNorm(1, 1e-50)],
            "net, layer 1 'in1': epsilon=1e-50; it must be at least 1.2e-38, or f32 may take it for 0.",
        ),
        ([InstanceNorm(1, 10**400)], "net, layer 1 'in1': epsilon is 1000"),
        ([Flatten(), LayerNorm(784, -1)], "net, layer 2 'ln1': epsilon=-1; it must be greater than 0."),
        ([Gelu("erf")], "net, layer 1 'gelu1': approximate='erf'; it must be \"tanh\" or \"none\"."),
        ([Conv2d(1, 0, 3)], "net, layer 1 'conv1': out_channels=0; it must be at least 1."),
        ([Flatten(), Dense(784, 9)], "net, layer 2 'dense1': the output has shape 9, the loss needs 10 logits"),
        ([Flatten(name="a"), Flatten(name="a")], "net, layer 2 'a': the name is taken"),
        ([Flatten(name="a b")], "net, layer 1 'a b': a layer's name must be a Python identifier"),
        ([], "net: no layers"),
    ],
)
def test_errors_name_the_layer(layers: list[Layer], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        infer_shapes(net(*layers))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.0},
        {"batch_size": 0},
        {"epochs": 0},
        {"weight_decay": -1.0},
        {"warmup_epochs": 3},
        {"label_smoothing": 1.0},
        {"schedule": "batch"},
        {"optimizer": Adam(beta1=1.0)},
        {"optimizer": Sgd(momentum=-0.1)},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    good = TrainConfig(lr=0.1, batch_size=2, epochs=3, optimizer=Adam(), cosine=True)
    with pytest.raises(SpecError):
        dataclasses.replace(good, **change)


def test_header_config_has_the_published_keys_first() -> None:
    assert list(load_model("mnist_mlp").config.header())[:10] == (
        [
            "lr",
            "batch_size",
            "epochs",
            "use_adam",
            "weight_decay",
            "cosine",
            "warmup_epochs",
            "augment",
            "label_smoothing",
            "seed",
        ]
    )
    sgd = TrainConfig(lr=0.1, batch_size=2, epochs=3, optimizer=Sgd(momentum=0.9), schedule="step").header()
    assert sgd["use_adam"] is False
    assert sgd["optimizer"] == {"is": "Sgd", "momentum": 0.9}
    assert sgd["schedule"] == "step"


def test_unknown_model_lists_the_known() -> None:
    with pytest.raises(
        SpecError, match=r"unknown model 'mnist_cn'; did you mean 'mnist_cnn'\? Known are cifar_cnn, .*, vit_tiny"
    ):
        load_model("mnist_cn")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: Dense(784.0, 10), r"layer 1 'dense1': inputs is 784.0, expected a whole number"),
        (lambda: Dense("784", 10), r"layer 1 'dense1': inputs is '784', expected a whole number"),
        (lambda: Dense(784, True), r"layer 1 'dense1': units is True, expected a whole number"),
        (lambda: Dense(784, 10, activation="relu"), r"layer 1 'dense1': activation is 'relu', expected .*Layer"),
        (lambda: Dense(784, 10, activation=Relu), r"layer 1 'dense1': activation is <class .*Relu'>, expected .*Layer"),
        (
            lambda: Conv2d(1, 4, [3, 1]),
            r"'conv1': kernel is \[3, 1\], expected a whole number or two of them for H and W",
        ),
        (lambda: Conv2d(1, 4, (3, 1, 1)), r"'conv1': kernel is \(3, 1, 1\), expected a whole number or two of them"),
        (lambda: Conv2d(1, 4, (3, 1.0)), r"'conv1': kernel is \(3, 1.0\), expected a whole number or two of them"),
        (lambda: MaxPool(2, True), r"'pool1': stride is True, expected a whole number or two of them"),
        (
            lambda: Conv2d(1, 4, 3, padding="FULL"),
            r"'conv1': padding is 'FULL', expected \"SAME\", \"VALID\", or pixels",
        ),
        (lambda: Conv2d(1, 4, 3, padding=((1, 1), (0, 0))), r"padding is \(\(1, 1\), \(0, 0\)\), expected \"SAME\", "),
        (lambda: AvgPool(count_include_pad=1), r"'avgpool1': count_include_pad is 1, expected bool"),
        (lambda: ConvBn(1, 4, epsilon=float("nan")), r"'conv1': epsilon is nan, expected a finite number"),
        (lambda: Dropout(float("nan")), r"layer 1 'dropout1': rate is nan, expected a finite number"),
        (lambda: Dense, r"layer 1: found <class .*Dense'>, expected a layer such as Relu\(\)"),
        (lambda: Uib(1, 4, 4, stride=0), r"layer 1 'uib1': stride=0; it must be at least 1"),
        (lambda: Dense(784, 10, name="class"), r"layer 1 'class': a layer's name must be a Python identifier in ASCII"),
        (lambda: Dense(784, 10, name="é"), r"layer 1 'é': a layer's name must be a Python identifier in ASCII"),
    ],
)
def test_a_fact_of_the_wrong_type_is_named(layer, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NetSpec(
            name="net",
            dataset="mnist",
            input_shape=(784,),
            classes=10,
            layers=[layer()],
            loss=SoftmaxCrossEntropy(),
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": float("inf")}, "lr is inf, expected a finite number"),
        ({"lr": "1"}, "lr is '1', expected a finite number"),
        ({"batch_size": 1.5}, "batch_size is 1.5, expected a whole number"),
        ({"optimizer": Adam}, r"optimizer is <class .*Adam'>, expected Optimizer"),
        ({"optimizer": Adam(beta1=float("nan"))}, "beta1 is nan, expected a finite number"),
    ],
)
def test_a_setting_of_the_wrong_type_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        TrainConfig(**{"lr": 0.1, "batch_size": 1, "epochs": 1, "optimizer": Adam(), **changes})
