"""MobileNet v1: depthwise separable convolutions. Howard et al. 2017, table 1."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="MobileNet-v1",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 32, stride=2),
            SeparableConv(32, 64),
            SeparableConv(64, 128, stride=2),
            SeparableConv(128, 128),
            SeparableConv(128, 256, stride=2),
            SeparableConv(256, 256),
            SeparableConv(256, 512, stride=2),
            SeparableConv(512, 512),
            SeparableConv(512, 512),
            SeparableConv(512, 512),
            SeparableConv(512, 512),
            SeparableConv(512, 512),
            SeparableConv(512, 1024, stride=2),
            SeparableConv(1024, 1024),
            GlobalAvgPool(),
            Dense(1024, 10),
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
