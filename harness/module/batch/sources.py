"""Constants of samples and of channels told apart: a program may use one constant for both, if they are as many."""

from dataclasses import dataclass, field
from typing import Any

from harness.module.batch.following import FollowedBatch
from harness.module.mlir import ir, shape_of


@dataclass
class PartedSources:
    """Constants, counts and repeated numbers, of which each use has its own while the batch is followed.

    `copies`: of each, the others after it.
    """

    copies: list[tuple[Any, list[Any]]] = field(default_factory=list)

    def part(self, block: Any, batch: int) -> None:
        """Give each use its own, where a dimension is a multiple of the batch; the last users first."""
        for op in reversed(list(block.operations)):
            for region in op.regions:
                for inner in region.blocks:
                    self.part(inner, batch)
            if not _is_source(op) or not any(size and size % batch == 0 for size in shape_of(op.results[0].type)):
                continue
            uses = [(use.owner, int(use.operand_number)) for use in op.results[0].uses]
            made = []
            for user, number in uses[1:]:
                copy = op.operation.clone(ir.InsertionPoint(op))
                user.operands[number] = copy.results[0]
                made.append(copy)
            if made:
                self.copies.append((op, made))

    def join(self, followed: FollowedBatch) -> None:
        """Of those in which the batch lies alike, one is enough."""
        for op, copies in self.copies:
            kept = [op]
            for copy in copies:
                value = copy.results[0]
                alike = next((one for one in kept if followed.of(one.results[0]) == followed.of(value)), None)
                if alike is None:
                    kept.append(copy)
                    continue
                value.replace_all_uses_with(alike.results[0])
                followed.held.pop(value, None)
                copy.operation.erase()


def without_unused(block: Any) -> None:
    """Remove operations whose results nobody uses: nothing tells whether what they have is the batch."""
    for op in reversed(list(block.operations)):
        if op.results and not any(use for result in op.results for use in result.uses):
            op.operation.erase()


def _is_source(op: Any) -> bool:
    kind = op.operation.name
    if kind == "stablehlo.broadcast_in_dim":
        behind = op.operands[0]
        if not shape_of(behind.type):
            return True
        return not isinstance(behind.owner, ir.Block) and _is_source(behind.owner)
    return kind in ("stablehlo.constant", "stablehlo.iota")
