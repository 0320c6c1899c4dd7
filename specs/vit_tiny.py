"""ViT-Tiny: twelve transformer blocks over patches of 16x16. Dosovitskiy et al. 2021; Touvron et al. 2021, table 1."""

from harness.nn.layers.dense import Dense
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import NetSpec, TrainConfig


def network(image_size: int) -> NetSpec:
    """The network for images of that size."""
    return NetSpec(
        name="ViT-Tiny",
        dataset="imagenette",
        input_shape=(3, image_size, image_size),
        classes=10,
        layers=[
            PatchEmbed(3, 192, patch=16, patches=(image_size // 16) ** 2),
            TransformerEncoder(192, heads=3, mlp=768, blocks=12),
            Dense(192, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )


SPEC = network(224)

CONFIG = TrainConfig(
    lr=0.0003,
    batch_size=192,
    epochs=80,
    optimizer=Adam(),
    weight_decay=0.01,
    cosine=True,
    warmup_epochs=5,
    augment=True,
)

# A run on a CPU is about agreement at full image size, not about learning.
VERIFY_STEPS = 3
VERIFY_BATCH = 2
