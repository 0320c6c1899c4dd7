"""A spec object as the Python that makes it, and a network's file of such."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import SpecError
from harness.spec.models import model_names
from harness.spec.netspec import Layer, NetSpec, TrainConfig
from harness.system.files import replace_file


def write_network(spec: NetSpec, config: TrainConfig | None, folder: Path) -> Path:
    """Write the file of a network into a folder, named after it, and return its path.

    Raises: SpecError without `config`, for layers that no file could import, or for a folder that cannot be written to.
    """
    if config is None:
        raise SpecError(f"{spec.name}: a NetSpec needs its TrainConfig. Give it as the second argument.")
    name = re.sub(r"\W+", "_", spec.name.lower()).strip("_") or "network"
    if name in model_names() or not name[0].isalpha():
        name = f"own_{name}"
    classes = {type(value) for value in (*_parts(spec), *_parts(config))}
    for kind in classes:
        if kind.__module__ == "__main__":
            raise SpecError(f"{kind.__name__}: defined where no program can import it. Put the network into a file.")
    imports = sorted(f"from {kind.__module__} import {kind.__name__}" for kind in classes)
    code = "\n".join(['"""Written by `harness.verify`."""', "", *imports, "", f"SPEC = {as_code(spec)}"])
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            file.write(f"{code}\nCONFIG = {as_code(config)}\n".encode())
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}. Choose another folder.") from None
    return path


def as_code(value: object) -> str:
    """The constructor call, without fields at their defaults and without names that the network would give itself.

    `eval` of it, with the classes in reach, is an equal object.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _call(value)
    if isinstance(value, list | tuple) and any(dataclasses.is_dataclass(item) for item in value):
        lines = "".join(f"        {as_code(item)},\n" for item in value)
        return f"[\n{lines}    ]"
    return repr(value)


def _call(value: object) -> str:
    assert dataclasses.is_dataclass(value)
    arguments = []
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if content != field.default and not (field.name == "name" and isinstance(value, Layer)):
            arguments.append(f"{field.name}={as_code(content)}")
    body = ", ".join(arguments)
    if "\n" in body:
        body = "\n" + "".join(f"    {argument},\n" for argument in arguments)
    return f"{type(value).__name__}({body})"


def _parts(value: object) -> Iterator[object]:
    """Every spec object in another, itself among them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
