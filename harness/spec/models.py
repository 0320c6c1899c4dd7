"""The networks: one module each in `harness.specs`, and files of one's own, wherever they lie."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import SpecError, unknown
from harness.spec.netspec import NetSpec, TrainConfig
from harness.spec.network_file import NetworkModule, blamed, is_network_file, name_of_file, path_of, run_file
from harness.spec.run_config import size_suffix
from harness.spec.shapes import Graph, infer_shapes


@dataclass(frozen=True)
class Model:
    """A network by its short name, at the size at which it is run.

    `verify_steps`, `verify_batch`: what verify trains by default, None for what CONFIG says.
    `batch`, `image_size`: where they are off those of CONFIG and SPEC. `file`: the path that led to it, None for a
    network of this package; `file_sha256`: of the bytes that were run.
    """

    name: str
    spec: NetSpec
    config: TrainConfig
    graph: Graph
    verify_steps: int | None
    verify_batch: int | None
    batch: int | None = None
    image_size: int | None = None
    file: str | None = None
    file_sha256: str | None = None

    @property
    def source(self) -> str:
        """What `load_model` and every verb take for it: the short name, or the path of its file."""
        return self.name if self.file is None else self.file

    @property
    def provenance(self) -> dict[str, str]:
        """The identity of its file for a manifest; empty for a network of this package."""
        return {} if self.file_sha256 is None else {"network_sha256": self.file_sha256}

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
    """The network of that short name, or in the file of that path, which is run.

    It has its own batch and image size (pixels a side) unless others are given.

    Raises: SpecError when there is none, when its module cannot be run or lacks SPEC or CONFIG, or when it does not fit
    the size.
    """
    found = _own(name) if is_network_file(name) else _shipped(name)
    spec = _fact(found, "SPEC", NetSpec)
    config = _fact(found, "CONFIG", TrainConfig)
    batch = None if batch == config.batch_size else batch
    image_size = None if image_size == spec.input_shape[-1] else image_size
    if batch is not None:
        config = replace(config, batch_size=batch)
    if image_size is not None:
        spec = _network(found, spec, image_size)
    with found.blamed():
        graph = infer_shapes(spec)
        spec.netspec_hash()  # refuses a field that has no form as JSON
    return Model(
        name=found.name,
        spec=spec,
        config=config,
        graph=graph,
        verify_steps=_count(found, "VERIFY_STEPS"),
        verify_batch=_count(found, "VERIFY_BATCH"),
        batch=batch,
        image_size=image_size,
        file=None if found.sha256 is None else name,
        file_sha256=found.sha256,
    )


def _shipped(name: str) -> NetworkModule:
    """The module of a network of this package."""
    if name not in model_names():
        raise SpecError(
            unknown("model", name, model_names())
            + " `harness models` lists them; a network of your own is given by the path of its file, NAME.py."
        )
    filename, shown = str(_package_file(name)), f"specs/{name}.py"
    with blamed(filename, shown):
        module = importlib.import_module(f"harness.specs.{name}")
    return NetworkModule(name, shown, filename, module)


def _package_file(name: str) -> Path:
    found = importlib.util.find_spec(f"harness.specs.{name}")
    assert found is not None and found.origin is not None, f"{name} is one of model_names()"
    return Path(found.origin).resolve()


def _own(path: str) -> NetworkModule:
    """The module of a file, whose traces must not pass for those of a network of this package."""
    name = name_of_file(path)
    known = path_of(path)
    if name.lower() in model_names() and known.exists():
        if _package_file(name.lower()) == known.resolve():
            return _shipped(name)
        raise SpecError(
            f"{path}: '{name.lower()}' is a network of this package, whose traces and references have that name. "
            "Rename the file."
        )
    return run_file(path)


def _fact(found: NetworkModule, name: str, kind: type[Any]) -> Any:
    """SPEC or CONFIG of a module."""
    if not hasattr(found.module, name):
        raise SpecError(f"{found.shown}: no {name}, expected a {kind.__name__} of that name.")
    value = getattr(found.module, name)
    if not isinstance(value, kind):
        what = f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
        raise SpecError(f"{found.shown}: {name} is {what}, expected a {kind.__name__}.")
    return value


def _count(found: NetworkModule, name: str) -> int | None:
    """VERIFY_STEPS or VERIFY_BATCH of a module; None where it says nothing."""
    value = getattr(found.module, name, None)
    if value is not None and (type(value) is not int or value < 1):
        raise SpecError(f"{found.shown}: {name} is {value!r}, expected a whole number of at least 1.")
    return value


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


def _network(found: NetworkModule, own: NetSpec, image_size: int) -> NetSpec:
    """Call the module's `network(image_size)`."""
    if not hasattr(found.module, "network"):
        size = "x".join(map(str, own.input_shape))
        raise SpecError(f"{found.shown}: the network takes inputs of {size} only. Leave the image size out.")
    with found.blamed():
        spec = found.module.network(image_size)
    if not isinstance(spec, NetSpec):
        raise SpecError(f"{found.shown}: network({image_size}) is of type {type(spec).__name__}, expected a NetSpec.")
    return spec


def all_models() -> Iterator[Model]:
    """Every network of this package."""
    return (load_model(name) for name in model_names())
