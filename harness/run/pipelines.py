"""The pipelines: ways from a spec to a running program. A pipeline is a row.

A pipeline of this project is a derivation of the gradient and a compiler: two cells of a 2x2 factorial. The other two
are the controls, each derivation on the other one's compiler, which tell a difference of compilers from one of
derivations. One more has no compiler: an interpreter does what the modules say, operation by operation.
"""

from dataclasses import dataclass
from typing import Literal

Compiler = Literal["XLA", "IREE", "none"]


@dataclass(frozen=True)
class Pipeline:
    """One way from a spec to a running program.

    `role`: a control is run for its factorial only; one without a compiler, to have a third opinion on the modules.
    """

    name: str
    derivation: Literal["autodiff", "by hand"]
    compiler: Compiler
    role: Literal["main", "control", "uncompiled"] = "main"

    @property
    def runtime(self) -> Literal["jax", "iree"]:
        """The package that runs what the compiler makes; jaxlib brings the interpreter."""
        return "iree" if self.compiler == "IREE" else "jax"


# In the order of the factorial.
PIPELINES = {
    row.name: row
    for row in (
        Pipeline("phase2", "autodiff", "XLA"),
        Pipeline("phase2-iree", "autodiff", "IREE", role="control"),
        Pipeline("phase3-xla", "by hand", "XLA", role="control"),
        Pipeline("phase3", "by hand", "IREE"),
        Pipeline("phase3-interpreter", "by hand", "none", role="uncompiled"),
    )
}
MAIN = tuple(row.name for row in PIPELINES.values() if row.role == "main")
CONTROLS = tuple(row.name for row in PIPELINES.values() if row.role == "control")
UNCOMPILED = tuple(row.name for row in PIPELINES.values() if row.role == "uncompiled")
FACTORIAL = tuple(row.name for row in PIPELINES.values() if row.role != "uncompiled")
INTERPRETED_OPERATION_S = 2e-6  # of the interpreter: an operation on one number
