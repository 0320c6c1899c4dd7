"""Arguments of a reference rule: plain array functions, its node's parameters, and the taps of a moving window.

A reference rule is a layer's third meaning and belongs to neither side: the definition of specs/README.md as plainly as
it can be written, run in f64 one operation at a time, without a compiler, and differentiated by whoever runs it.
Images between layers are NHWC, parameters keep the layout of the init file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.spec.shapes import Node

Array = Any  # an array of the module that is handed in


@dataclass(frozen=True)
class Reference:
    """`np`: a module with numpy's functions, of arrays that can be differentiated; rules import none themselves.

    `params`: by full name (`conv1.w`). `t`: number of the training step, from 1.
    """

    np: Any
    node: Node
    params: Mapping[str, Array]
    t: int

    def param(self, name: str) -> Array:
        """The node's parameter."""
        return self.params[f"{self.node.scope}.{name}"]

    def taps(self, x: Array, window: int, stride: int, padding: str, outside: float = 0.0) -> list[Array]:
        """Pixels under each place of a window as it moves over x, row by row of the window.

        Shapes: x (B, H, W, C), each of the window² results (B, H', W', C).
        Source: specs/README.md, Padding.
        """
        places, edges = [], []
        for n in x.shape[1:3]:
            same = padding == "SAME"
            places.append(-(-n // stride) if same else (n - window) // stride + 1)
            total = max(0, (places[-1] - 1) * stride + window - n) if same else 0
            edges.append((total // 2, total - total // 2))
        padded = self.np.pad(x, ((0, 0), *edges, (0, 0)), "constant", constant_values=outside)
        across, down = ((count - 1) * stride + 1 for count in reversed(places))
        return [padded[:, k : k + down : stride, m : m + across : stride] for k in range(window) for m in range(window)]
