"""EfficientNet v2 Small: fused bottlenecks first, mobile ones later. Tan and Le 2021, table 4."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.fused_mb_conv import FusedMbConv
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.mb_conv import MbConv
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="EfficientNet-v2-S",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 24, stride=2),
            FusedMbConv(24, 24, expansion=1, blocks=2),
            FusedMbConv(24, 48, expansion=4, stride=2, blocks=4),
            FusedMbConv(48, 64, expansion=4, stride=2, blocks=4),
            MbConv(64, 128, expansion=4, stride=2, blocks=6),
            MbConv(128, 160, expansion=6, blocks=9),
            MbConv(160, 256, expansion=6, stride=2, blocks=15),
            ConvBn(256, 1280, kernel=1),
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
