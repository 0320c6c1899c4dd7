"""The networks: one module each in `harness.specs`."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType

from harness.errors import SpecError, unknown
from harness.spec.netspec import NetSpec, TrainConfig
from harness.spec.run_config import size_suffix
from harness.spec.shapes import Graph, infer_shapes


@dataclass(frozen=True)
class Model:
    """A network by its short name, at the size at which it is run.

    `verify_steps`, `verify_batch`: what verify trains by default, None for what CONFIG says.
    `batch`, `image_size`: where they are off those of CONFIG and SPEC.
    """

    name: str
    spec: NetSpec
    config: TrainConfig
    graph: Graph
    verify_steps: int | None
    verify_batch: int | None
    batch: int | None = None
    image_size: int | None = None

    @property
    def resized(self) -> str:
        """The size as file names carry it where it is off the network's own: `.b2.i64`."""
        return size_suffix(self.batch, self.image_size)

    @property
    def size_options(self) -> str:
        """The size as options of the command line, with a blank in front, or nothing."""
        parts = (("--batch", self.batch), ("--image-size", self.image_size))
        return "".join(f" {option} {size}" for option, size in parts if size is not None)


def model_names() -> list[str]:
    """Short names of all networks, sorted."""
    package = importlib.import_module("harness.specs")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def load_model(name: str, *, batch: int | None = None, image_size: int | None = None) -> Model:
    """The network of that short name, with its own batch and image size (pixels a side) unless others are given.

    Raises: SpecError when there is none, when its module lacks SPEC or CONFIG, or when it does not fit the size.
    """
    if name not in model_names():
        raise SpecError(unknown("model", name, model_names()) + " `harness models` lists them.")
    module = importlib.import_module(f"harness.specs.{name}")
    for needed, kind in (("SPEC", NetSpec), ("CONFIG", TrainConfig)):
        if not isinstance(getattr(module, needed, None), kind):
            raise SpecError(f"specs/{name}.py: no {needed}, expected a {kind.__name__} of that name.")
    spec, config = module.SPEC, module.CONFIG
    batch = None if batch == config.batch_size else batch
    image_size = None if image_size == spec.input_shape[-1] else image_size
    if batch is not None:
        config = replace(config, batch_size=batch)
    if image_size is not None:
        spec = _network(module, name, image_size)
    steps, small = getattr(module, "VERIFY_STEPS", None), getattr(module, "VERIFY_BATCH", None)
    return Model(name, spec, config, infer_shapes(spec), steps, small, batch, image_size)


def load_for_run(
    name: str, steps: int | str | None, batch: int | str | None, image_size: int | None
) -> tuple[Model, int | None]:
    """The network at the size at which it is run, and its steps, None for the whole training.

    `steps`, `batch`: a number, `full` for those of CONFIG, None for those of a verification.

    Raises: SpecError, as `load_model`.
    """
    own = load_model(name)
    asked = own.verify_steps if steps is None else None if steps == "full" else int(steps)
    examples = own.verify_batch if batch is None else None if batch == "full" else int(batch)
    return load_model(name, batch=examples, image_size=image_size), asked


def _network(module: ModuleType, name: str, image_size: int) -> NetSpec:
    """Call the module's `network(image_size)`."""
    if not hasattr(module, "network"):
        size = "x".join(map(str, module.SPEC.input_shape))
        raise SpecError(f"specs/{name}.py: the network takes inputs of {size} only. Leave the image size out.")
    spec: NetSpec = module.network(image_size)
    return spec


def all_models() -> Iterator[Model]:
    """Every network."""
    return (load_model(name) for name in model_names())
