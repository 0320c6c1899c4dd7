"""ResNet-34: residual blocks of two 3x3 convolutions. He et al. 2016, table 1."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="ResNet-34",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 64, kernel=7, stride=2),
            MaxPool(3, 2),
            ResidualBlock(64, 64, blocks=3),
            ResidualBlock(64, 128, blocks=4, stride=2),
            ResidualBlock(128, 256, blocks=6, stride=2),
            ResidualBlock(256, 512, blocks=3, stride=2),
            GlobalAvgPool(),
            Dense(512, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )


SPEC = network(224)

CONFIG = TrainConfig(
    lr=0.001,
    batch_size=192,
    epochs=80,
    optimizer=Adam(),
    weight_decay=1e-4,
    cosine=True,
    warmup_epochs=3,
    augment=True,
)

# A run on a CPU is about agreement at full image size, not about learning.
VERIFY_STEPS = 3
VERIFY_BATCH = 2
