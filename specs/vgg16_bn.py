"""VGG-16 with batch norm, a global average before one dense layer. Simonyan and Zisserman 2015, table 1 D."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.max_pool import MaxPool
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="VGG-16-BN",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 64),
            ConvBn(64, 64),
            MaxPool(2, 2),
            ConvBn(64, 128),
            ConvBn(128, 128),
            MaxPool(2, 2),
            ConvBn(128, 256),
            ConvBn(256, 256),
            ConvBn(256, 256),
            MaxPool(2, 2),
            ConvBn(256, 512),
            ConvBn(512, 512),
            ConvBn(512, 512),
            MaxPool(2, 2),
            ConvBn(512, 512),
            ConvBn(512, 512),
            ConvBn(512, 512),
            MaxPool(2, 2),
            GlobalAvgPool(),
            Dense(512, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )


SPEC = network(224)

CONFIG = TrainConfig(
    lr=0.001,
    batch_size=192,
    epochs=50,
    optimizer=Adam(),
    weight_decay=1e-4,
    cosine=True,
    warmup_epochs=3,
    augment=True,
)

# A run on a CPU is about agreement at full image size, not about learning.
VERIFY_STEPS = 3
VERIFY_BATCH = 2
