"""MobileNet v4 Conv Medium: universal inverted bottlenecks. Qin et al. 2024."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.fused_mb_conv import FusedMbConv
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.uib import Uib
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="MobileNet-v4-Medium",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 32, stride=2),
            FusedMbConv(32, 48, expansion=4, stride=2),
            Uib(48, 80, expansion=4, stride=2, pre=3, post=5),
            Uib(80, 80, expansion=2, pre=3, post=3),
            Uib(80, 160, expansion=6, stride=2, post=3),
            Uib(160, 160, expansion=4, pre=3, post=3),
            Uib(160, 160, expansion=4, pre=3, post=5),
            Uib(160, 160, expansion=4, pre=5),
            Uib(160, 160, expansion=4, post=3),
            Uib(160, 160, expansion=4, pre=3),
            Uib(160, 160, expansion=4),
            Uib(160, 160, expansion=4, pre=3, post=3),
            Uib(160, 256, expansion=6, stride=2, pre=5, post=5),
            Uib(256, 256, expansion=4, pre=5, post=5),
            Uib(256, 256, expansion=4, post=3),
            Uib(256, 256, expansion=4, pre=3),
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
