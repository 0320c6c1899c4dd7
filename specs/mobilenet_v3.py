"""MobileNet v3 Large. Howard et al. 2019, table 1; ReLU in the first and last convolution."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.mb_conv_v3 import MbConvV3
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="MobileNet-v3-Large",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 16, stride=2),
            MbConvV3(16, 16, width=16, kernel=3, stride=1),
            MbConvV3(16, 24, width=64, kernel=3, stride=2),
            MbConvV3(24, 24, width=72, kernel=3, stride=1),
            MbConvV3(24, 40, width=72, kernel=5, stride=2, squeeze=True),
            MbConvV3(40, 40, width=120, kernel=5, stride=1, squeeze=True),
            MbConvV3(40, 40, width=120, kernel=5, stride=1, squeeze=True),
            MbConvV3(40, 80, width=240, kernel=3, stride=2, hard_swish=True),
            MbConvV3(80, 80, width=200, kernel=3, stride=1, hard_swish=True),
            MbConvV3(80, 80, width=184, kernel=3, stride=1, hard_swish=True),
            MbConvV3(80, 80, width=184, kernel=3, stride=1, hard_swish=True),
            MbConvV3(80, 112, width=480, kernel=3, stride=1, squeeze=True, hard_swish=True),
            MbConvV3(112, 112, width=672, kernel=5, stride=1, squeeze=True, hard_swish=True),
            MbConvV3(112, 160, width=672, kernel=5, stride=2, squeeze=True, hard_swish=True),
            MbConvV3(160, 160, width=960, kernel=5, stride=1, squeeze=True, hard_swish=True),
            MbConvV3(160, 160, width=960, kernel=5, stride=1, squeeze=True, hard_swish=True),
            ConvBn(160, 960, kernel=1),
            GlobalAvgPool(),
            Dense(960, 10),
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
