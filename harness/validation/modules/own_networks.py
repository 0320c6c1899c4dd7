"""The package's own networks, whose train steps are right modules of the size that people check."""

from dataclasses import dataclass
from typing import get_args

from harness.validation.modules.networks import Source

BATCH = 2
# From the fewest operations on; the side of the images where a network takes several, else None.
SIZES: dict[str, int | None] = {
    "mnist_mlp": None,
    "cifar_cnn": None,
    "mnist_cnn": None,
    "vgg16_bn": 32,
    "mobilenet_v1": 64,
    "squeezenet": 64,
    "resnet34": 64,
    "mobilenet_v4": 64,
    "mobilenet_v2": 64,
    "vit_tiny": 64,
    "mobilenet_v3": 64,
    "resnet50": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2s": 64,
}


@dataclass(frozen=True)
class NetworkRun:
    """A network of the package, and where its module is from."""

    network: str
    source: Source

    @property
    def name(self) -> str:
        """As campaigns have it."""
        return f"{self.network} {self.source}"

    @property
    def image_size(self) -> int | None:
        """Pixels a side; None for the network's own."""
        return SIZES[self.network]


RUNS = tuple(NetworkRun(network, source) for network in SIZES for source in get_args(Source))
