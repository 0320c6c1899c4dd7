"""Networks in files of one's own: the example of docs/extending.md, and one of a single layer."""

import re
from pathlib import Path

from tests.support.paths import ROOT

DOUBLED, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)

NETWORK = '''"""One dense layer."""

from harness.nn.layers.dense import Dense
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Sgd
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="Tiny",
    dataset="mnist",
    input_shape=(784,),
    classes=10,
    layers=[Dense(784, 10)],
    loss=SoftmaxCrossEntropy(),
)
CONFIG = TrainConfig(lr=0.01, batch_size=4, epochs=1, optimizer=Sgd())
'''


def write(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a network's file and return its path."""
    path = folder / f"{name}.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
