"""Every piece of a training step alone, against the definition: what is off is off by itself, its inputs are right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.explain.alone import Alone
from harness.explain.definition import DefinedStep, Definition
from harness.explain.piece import Direction, Measured, Piece, pieces
from harness.spec.netspec import DType


@dataclass(frozen=True)
class Finding:
    """A piece that is off. `error`: of `tensor`, relative to its scale, where `allowed` would do.

    `direction`: forward, backward or optimizer. `layer`: the node's name, `loss` or `optimizer`. `t`: of the step.
    """

    layer: str
    direction: Direction
    side: str
    tensor: str
    error: float
    allowed: float
    dtype: DType
    t: int

    @property
    def what(self) -> str:
        """What is off, for a reader."""
        prefix = {"backward": "the gradient by ", "forward": "the value of "}.get(self.direction, "")
        return prefix + self.tensor


def try_pieces(
    definition: Definition, step: DefinedStep, sides: Sequence[tuple[str, Alone]], dtype: DType
) -> Iterator[Finding]:
    """What is off on the sides, first things first."""
    for piece in pieces(definition, step):
        measured = Measured(piece, definition, dtype)
        for name, side in sides:
            for tensor, error in zip(piece.results, measured.errors(side), strict=True):
                if not error <= measured.allowed:
                    at: Direction = piece.direction or ("forward" if tensor == "loss" else "backward")
                    yield Finding(piece.layer, at, name, tensor, error, measured.allowed, dtype, piece.t)


def piece_of(finding: Finding, definition: Definition, step: DefinedStep) -> Piece:
    """The piece that a finding is about."""
    return next(
        piece
        for piece in pieces(definition, step)
        if piece.layer == finding.layer and piece.direction in ("", finding.direction) and piece.t == finding.t
    )
