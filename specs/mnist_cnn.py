"""Four conv-BN layers, two pools and two dense layers on MNIST, one of the two published networks."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="MNIST-CNN",
    dataset="mnist",
    input_shape=(1, 28, 28),
    classes=10,
    layers=[
        ConvBn(1, 32, kernel=3),
        ConvBn(32, 32, kernel=3),
        MaxPool(2, 2),
        ConvBn(32, 64, kernel=3),
        ConvBn(64, 64, kernel=3),
        MaxPool(2, 2),
        Flatten(),
        Dense(64 * 7 * 7, 512, activation=Relu()),
        Dense(512, 10),
    ],
    loss=SoftmaxCrossEntropy(),
)

CONFIG = TrainConfig(
    lr=0.001,
    batch_size=128,
    epochs=15,
    optimizer=Adam(),
    weight_decay=1e-4,
    cosine=True,
    warmup_epochs=1,
)

# All 7,020 take two hours on a small machine.
VERIFY_STEPS = 200
