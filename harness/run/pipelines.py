"""The pipelines: ways from a spec to a running program. A pipeline is a row.

A pipeline of this project is a derivation of the gradient and a compiler: two cells of a 2x2 factorial. The other two
are the controls, each derivation on the other one's compiler, which tell a difference of compilers from one of
derivations.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Pipeline:
    """One way from a spec to a running program. `control`: it is run for its factorial only."""

    name: str
    derivation: Literal["autodiff", "by hand"]
    compiler: Literal["XLA", "IREE"]
    control: bool = False

    @property
    def runtime(self) -> Literal["jax", "iree"]:
        """The package that runs what the compiler makes."""
        return "jax" if self.compiler == "XLA" else "iree"


# In the order of the factorial.
PIPELINES = {
    row.name: row
    for row in (
        Pipeline("phase2", "autodiff", "XLA"),
        Pipeline("phase2-iree", "autodiff", "IREE", control=True),
        Pipeline("phase3-xla", "by hand", "XLA", control=True),
        Pipeline("phase3", "by hand", "IREE"),
    )
}
MAIN = tuple(row.name for row in PIPELINES.values() if not row.control)
CONTROLS = tuple(row.name for row in PIPELINES.values() if row.control)
