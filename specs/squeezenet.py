"""SqueezeNet v1.1 with batch norm: fire modules. Iandola et al. 2016."""

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.fire_module import FireModule
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.max_pool import MaxPool
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="SqueezeNet-v1.1",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            ConvBn(3, 64, stride=2),
            MaxPool(3, 2),
            FireModule(64, 16, 64, 64),
            FireModule(128, 16, 64, 64),
            MaxPool(3, 2),
            FireModule(128, 32, 128, 128),
            FireModule(256, 32, 128, 128),
            MaxPool(3, 2),
            FireModule(256, 48, 192, 192),
            FireModule(384, 48, 192, 192),
            FireModule(384, 64, 256, 256),
            FireModule(512, 64, 256, 256),
            ConvBn(512, 10, kernel=1),
            GlobalAvgPool(),
            Dense(10, 10),
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
