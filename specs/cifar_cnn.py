"""Four convolutions with bias, two pools and three dense layers on CIFAR-10, trained by plain gradient descent."""

from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Sgd
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="CIFAR-CNN",
    dataset="cifar10",
    input_shape=(3, 32, 32),
    classes=10,
    layers=[
        Conv2d(3, 32, 3, activation=Relu()),
        Conv2d(32, 32, 3, activation=Relu()),
        MaxPool(2, 2),
        Conv2d(32, 64, 3, activation=Relu()),
        Conv2d(64, 64, 3, activation=Relu()),
        MaxPool(2, 2),
        Flatten(),
        Dense(64 * 8 * 8, 512, activation=Relu()),
        Dense(512, 512, activation=Relu()),
        Dense(512, 10),
    ],
    loss=SoftmaxCrossEntropy(),
)

CONFIG = TrainConfig(lr=0.01, batch_size=128, epochs=25, optimizer=Sgd())

# All 9,750 take hours on a small machine.
VERIFY_STEPS = 20
