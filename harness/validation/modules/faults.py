"""The faults: a module, one of its operations, and what an executor does wrong there. Each is a row."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from harness.errors import HarnessError
from harness.module.load import StableModule
from harness.validation.modules.injection import Marker
from harness.validation.modules.networks import Source, module_of

# By network and where its module is from: operation, its number among those of its name and of f32, what is wrong.
_ROWS: dict[tuple[str, Source], str] = {
    ("mlp", "emitted"): """
        dot_general 2 scaled
        dot_general 7 wrong axis
        reduce 6 rounded
        reduce 7 wrong axis
        add 1 missing
        maximum 1 missing
        logistic 1 rounded
        subtract 4 sign
        multiply 7 last element
        divide 5 scaled
        select 2 missing
    """,
    ("cnn", "emitted"): """
        convolution 1 last element
        convolution 2 wrong axis
        convolution 3 scaled
        dot_general 1 rounded
        dot_general 5 sign
        reduce 6 wrong axis
        concatenate 8 last element
        maximum 4 scaled
        select 5 missing
        exponential 1 rounded
        reverse 2 missing
    """,
    ("residual", "emitted"): """
        reduce 1 scaled
        reduce 8 last element
        sqrt 2 rounded
        divide 1 missing
        subtract 7 sign
        multiply 8 last element
        add 13 missing
        convolution 3 rounded
        broadcast_in_dim 2 wrong axis
        dot_general 2 scaled
        negate 1 missing
    """,
    ("attention", "emitted"): """
        dot_general 5 wrong axis
        dot_general 6 scaled
        exponential 1 rounded
        subtract 2 missing
        reduce 6 last element
        transpose 5 wrong axis
        concatenate 1 wrong axis
        divide 4 rounded
        sqrt 1 scaled
        logistic 1 sign
        add 2 missing
        multiply 3 last element
    """,
    ("depthwise", "emitted"): """
        convolution 1 wrong axis
        convolution 4 last element
        convolution 5 scaled
        reverse 1 missing
        logistic 2 rounded
        reduce 13 last element
        divide 10 missing
        add 1 sign
        maximum 1 scaled
        select 9 sign
    """,
    ("mlp", "exported"): """
        gather 1 last element
        scatter 1 scaled
        broadcast_in_dim 2 wrong axis
        transpose 2 missing
        power 2 rounded
    """,
    ("cnn", "exported"): """
        select_and_scatter 1 scaled
        reduce_window 1 rounded
        convolution 4 sign
        convolution 5 wrong axis
        reverse 1 missing
    """,
    ("attention", "exported"): """
        tanh 1 rounded
        dot_general 4 last element
        reduce 8 sign
        concatenate 1 missing
        divide 6 scaled
    """,
}


@dataclass(frozen=True)
class OpFault:
    """What is wrong at one operation. `op`: without its dialect; `number`: among those of its name, from 1."""

    network: str
    source: Source
    op: str
    number: int
    change: str

    @property
    def name(self) -> str:
        """As campaigns have it."""
        return f"{self.network} {self.source} | {self.op} {self.number} | {self.change}"


def _read() -> Iterator[OpFault]:
    for (network, source), rows in _ROWS.items():
        for row in rows.strip().splitlines():
            op, number, change = row.split(maxsplit=2)
            yield OpFault(network, source, op, int(number), change)


FAULTS = tuple(_read())


@dataclass(frozen=True)
class MarkedModule:
    """A module that only a faulty executor runs wrongly. `place`: of the marked operation, among those of `main`."""

    module: StableModule
    place: int


@cache
def marked(fault: OpFault) -> MarkedModule:
    """The module with the operation marked. Raises: HarnessError where there is no such operation."""
    right = module_of(fault.network, fault.source)
    marker = Marker(f"stablehlo.{fault.op}", fault.number, fault.change)
    text = marker.clone(right.inlined, "main")
    if marker.place is None:
        raise HarnessError(f"{fault.name}: the module has no such operation.")
    module = replace(right, source=text.encode(), form="text", text=text, inlined=text, function="main")
    return MarkedModule(module, marker.place)
