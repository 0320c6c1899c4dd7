"""EfficientNet-B0: mobile bottlenecks with squeeze and excitation. Tan and Le 2019, table 1."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.mb_conv import MbConv
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="EfficientNet-B0",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 32, stride=2),
            MbConv(32, 16, expansion=1, kernel=3, stride=1, blocks=1),
            MbConv(16, 24, expansion=6, kernel=3, stride=2, blocks=2),
            MbConv(24, 40, expansion=6, kernel=5, stride=2, blocks=2),
            MbConv(40, 80, expansion=6, kernel=3, stride=2, blocks=3),
            MbConv(80, 112, expansion=6, kernel=5, stride=1, blocks=3),
            MbConv(112, 192, expansion=6, kernel=5, stride=2, blocks=4),
            MbConv(192, 320, expansion=6, kernel=3, stride=1, blocks=1),
            ConvBn(320, 1280, kernel=1),
            GlobalAvgPool(),
            Dense(1280, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )


SPEC = network(224)

CONFIG = TrainConfig(
    lr=0.001,
    batch_size=192,
    epochs=80,
    optimizer=Adam(),
    weight_decay=0.001,
    cosine=True,
    warmup_epochs=5,
    augment=True,
)

# A run on a CPU is about agreement at full image size, not about learning.
VERIFY_STEPS = 3
VERIFY_BATCH = 2
