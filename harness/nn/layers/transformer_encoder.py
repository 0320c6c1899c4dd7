"""Transformer encoder: blocks of attention and of two dense layers."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from harness.errors import SpecError
from harness.nn.layers.add import Add
from harness.nn.layers.attention import Attention
from harness.nn.layers.batch_norm import EPSILON
from harness.nn.layers.dense import Dense
from harness.nn.layers.first_token import FirstToken
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.layer_norm import LayerNorm
from harness.spec.fields import SAID_OFF_DEFAULT
from harness.spec.netspec import Block, Layer


@dataclass(frozen=True)
class TransformerEncoder(Layer):
    """`blocks` times x += o(attention(q, k, v of LN(x))), x += mlp2(gelu(mlp1(LN(x)))); then token 0 of LN(x).

    A composition; q, k, v, o, mlp1 and mlp2 are dense layers on every token. `epsilon`: of the layer norms;
    `approximate`: of the GELU.

    Shapes: x (B, T, dim), y (B, dim); inside the second half (B, T, mlp).
    Source: specs/README.md, Transformer encoder; Dosovitskiy et al. 2021.
    """

    dim: int
    heads: int
    mlp: int
    blocks: int = 1
    epsilon: float = field(default=EPSILON, metadata=SAID_OFF_DEFAULT)
    approximate: Literal["tanh", "none"] = field(default="tanh", metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "encoder"

    def validate(self) -> None:
        for name in ("dim", "heads", "mlp", "blocks"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")

    def expand(self, block: Block, x: str) -> str:
        for b in (f"b{i}" for i in range(1, self.blocks + 1)):
            y = block.nest(LayerNorm(self.dim, self.epsilon), x, f"{b}.ln1")
            q, k, v = (block.nest(Dense(self.dim, self.dim), y, f"{b}.{name}") for name in "qkv")
            y = block.add(Attention(self.heads), q, k, v, name=f"{b}.attention")
            y = block.nest(Dense(self.dim, self.dim), y, f"{b}.o")
            x = block.add(Add(), y, x, name=f"{b}.sum1")
            y = block.nest(LayerNorm(self.dim, self.epsilon), x, f"{b}.ln2")
            y = block.nest(Dense(self.dim, self.mlp, activation=Gelu(self.approximate)), y, f"{b}.mlp1")
            y = block.nest(Dense(self.mlp, self.dim), y, f"{b}.mlp2")
            x = block.add(Add(), y, x, name=f"{b}.sum2")
        return block.add(FirstToken(), block.nest(LayerNorm(self.dim, self.epsilon), x, "ln"), name="first")
