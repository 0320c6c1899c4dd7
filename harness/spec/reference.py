"""Arguments of a reference rule: plain array functions, its node's parameters, and the taps of a moving window.

A reference rule is a layer's third meaning and belongs to neither side: the definition of specs/README.md as plainly as
it can be written, run in f64 one operation at a time, without a compiler, and differentiated by whoever runs it.
Images between layers are NHWC, parameters keep the layout of the init file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.spec.fields import Padding, Pair
from harness.spec.shapes import Node

Array = Any  # an array of the module that is handed in


@dataclass(frozen=True)
class Reference:
    """`np`: a module with numpy's functions, of arrays that can be differentiated; rules import none themselves.

    `params`: by full name (`conv1.w`). `t`: number of the training step, from 1. `erf`: the error function of arrays,
    which numpy has not.
    """

    np: Any
    node: Node
    params: Mapping[str, Array]
    t: int
    erf: Callable[[Array], Array]

    def param(self, name: str) -> Array:
        """The node's parameter."""
        return self.params[f"{self.node.scope}.{name}"]

    def taps(
        self, x: Array, window: Pair, stride: Pair, padding: Padding, dilation: Pair = 1, outside: float = 0.0
    ) -> list[Array]:
        """Pixels under each place of a window as it moves over x, row by row of the window.

        Shapes: x (B, H, W, C), each of the results (B, H', W', C), as many as the window has pixels.
        Source: specs/README.md, Padding.
        """
        edges, axes = [], []
        for axis, n in enumerate(x.shape[1:3]):
            size, step, apart = (v if isinstance(v, int) else v[axis] for v in (window, stride, dilation))
            covered = apart * (size - 1) + 1
            if padding == "SAME":
                places = -(-n // step)
                total = max(0, (places - 1) * step + covered - n)
                edges.append((total // 2, total - total // 2))
            else:
                by_hand = 0 if padding == "VALID" else padding if isinstance(padding, int) else padding[axis]
                places = (n + 2 * by_hand - covered) // step + 1
                edges.append((by_hand, by_hand))
            axes.append([slice(k * apart, k * apart + (places - 1) * step + 1, step) for k in range(size)])
        padded = self.np.pad(x, ((0, 0), *edges, (0, 0)), "constant", constant_values=outside)
        return [padded[:, down, across] for down in axes[0] for across in axes[1]]
