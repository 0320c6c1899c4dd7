"""The networks: one module each in `harness.specs`."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import SpecError
from harness.shapes import Graph, infer_shapes
from harness.spec import NetSpec, TrainConfig


@dataclass(frozen=True)
class Model:
    """A network by its short name. `verify_steps`: steps that verify trains by default, None for all."""

    name: str
    spec: NetSpec
    config: TrainConfig
    graph: Graph
    verify_steps: int | None


def model_names() -> list[str]:
    """Short names of all networks, sorted."""
    package = importlib.import_module("harness.specs")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def load_model(name: str) -> Model:
    """The network of that short name.

    Raises: SpecError when there is none, or when its module lacks SPEC or CONFIG.
    """
    if name not in model_names():
        raise SpecError(f"unknown model '{name}'; known are {', '.join(model_names())}. `harness models` lists them.")
    module = importlib.import_module(f"harness.specs.{name}")
    for needed, kind in (("SPEC", NetSpec), ("CONFIG", TrainConfig)):
        if not isinstance(getattr(module, needed, None), kind):
            raise SpecError(f"specs/{name}.py: no {needed}, expected a {kind.__name__} of that name.")
    steps = getattr(module, "VERIFY_STEPS", None)
    return Model(name, module.SPEC, module.CONFIG, infer_shapes(module.SPEC), steps)


def all_models() -> Iterator[Model]:
    """Every network."""
    return (load_model(name) for name in model_names())
