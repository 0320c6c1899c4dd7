"""Three dense layers on MNIST, one of the two published networks."""

from harness.nn.layers.dense import Dense
from harness.nn.layers.relu import Relu
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="MNIST-MLP",
    dataset="mnist",
    input_shape=(784,),
    classes=10,
    layers=[
        Dense(784, 512, activation=Relu()),
        Dense(512, 512, activation=Relu()),
        Dense(512, 10),
    ],
    loss=SoftmaxCrossEntropy(),
)

CONFIG = TrainConfig(
    lr=0.001,
    batch_size=128,
    epochs=12,
    optimizer=Adam(),
    weight_decay=1e-4,
    cosine=True,
    warmup_epochs=1,
)
