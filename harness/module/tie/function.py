"""A loss in a Python file becomes a module: its value and gradients, lowered by JAX in f64 and in f32."""

import contextlib
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.errors import ModuleError, unknown
from harness.module.load import StableModule
from harness.module.tie.slots import TiedParameter, listed, plain
from harness.spec.network_file import blamed

Loss = Callable[..., Any]


@dataclass(frozen=True)
class LossFunction:
    """A function of the user's and how it is called: `call(arrays)` with those of the arguments `numbers`, in order.

    `differentiated`: positions in `numbers` of the parameters.
    """

    shown: str
    numbers: tuple[int, ...]
    differentiated: tuple[int, ...]
    call: Callable[[Sequence[Any]], Any]

    def lowered(self, module: StableModule, *, wide: bool, every: tuple[int, int] | None = None) -> str:
        """A module of the loss and its gradients. `wide`: in f64.

        `every`: position of the labels and the number of classes, for the mean of the losses with all labels of one.


        Raises: SpecError in one line with the place in the user's file.
        """
        kinds = [module.arguments[number].type for number in self.numbers]

        def gradients(*arrays: Any) -> Any:
            def loss(*given: Any) -> Any:
                full = list(arrays)
                for position, array in zip(self.differentiated, given, strict=True):
                    full[position] = array
                if every is None:
                    return self.call(full)
                position, classes = every
                losses = []
                for one in range(classes):
                    full[position] = jnp.full_like(arrays[position], one)
                    losses.append(self.call(full))
                return sum(losses) / classes

            chosen = [arrays[position] for position in self.differentiated]
            return jax.value_and_grad(loss, argnums=tuple(range(len(chosen))))(*chosen)

        path = self.shown.rpartition(":")[0]
        with blamed(path, path), jax.enable_x64(wide):
            specs: list[Any] = [_spec(kind.shape, _dtype(kind.dtype, wide)) for kind in kinds]
            return str(jax.jit(gradients, keep_unused=True).lower(*specs).as_text())


_spec: Any = jax.ShapeDtypeStruct


def find_loss(against: str, module: StableModule, parameters: Sequence[TiedParameter]) -> LossFunction:
    """The function `FILE.py:NAME`, its arguments bound to those of the module: by name, else by order.

    Raises: ModuleError for what cannot be bound; SpecError for a file that does not run.
    """
    path, _, name = against.rpartition(":")
    loaded = _run(Path(path))
    function = loaded.get(name)
    if not callable(function):
        own = [key for key, value in loaded.items() if callable(value) and not key.startswith("_")]
        raise ModuleError(f"{path}: {unknown('function', name, own)}")
    return _bound(against, function, module, parameters)


def _run(path: Path) -> dict[str, Any]:
    """What a Python file defines. What it prints goes to standard error; modules beside it are not looked for.

    Raises: ModuleError, SpecError in one line with the place in the file.
    """
    try:
        source = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModuleError(f"{path}: cannot be read: {error}. Expected a Python file in UTF-8.") from None
    module = ModuleType(f"harness_loss_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look up the names in annotations
    with blamed(str(path), str(path)), contextlib.redirect_stdout(sys.stderr):
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return vars(module)


def _bound(shown: str, function: Loss, module: StableModule, parameters: Sequence[TiedParameter]) -> LossFunction:
    named = inspect.signature(function).parameters.values()
    free = [one.name for one in named if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = [one.name for one in named if one.name in free and one.default is one.empty]
    own = [parameter.argument for parameter in parameters]
    by_name = {plain(argument.name): number for number, argument in enumerate(module.arguments)}

    if all(plain(name) in by_name for name in needed):
        numbers = [by_name[plain(name)] for name in free if plain(name) in by_name]
        names = [name for name in free if plain(name) in by_name]

        def call(arrays: Sequence[Any]) -> Any:
            return _loss(shown, function(**dict(zip(names, arrays, strict=True))))

    elif len(needed) == len(own) + 2:
        numbers = [*own, *data_arguments(shown, module, own)]

        def call(arrays: Sequence[Any]) -> Any:
            return _loss(shown, function(*arrays))

    elif len(needed) == 3:
        numbers = [*own, *data_arguments(shown, module, own)]

        def call(arrays: Sequence[Any]) -> Any:
            names = [parameter.name for parameter in parameters]
            try:
                return _loss(shown, function(_tree(names, arrays[: len(own)]), *arrays[len(own) :]))
            except KeyError as error:
                raise ModuleError(
                    f"{shown} looks up {error}, and the module's parameters are called {listed(names)}. JAX writes "
                    "names with as_text(debug_info=True); or let the function take parameters in this order."
                ) from None

    else:
        wanted = listed([parameter.name for parameter in parameters])
        raise ModuleError(
            f"{shown} takes {', '.join(needed)}. Expected arguments of the module by name, or its {len(own)} "
            f"parameters ({wanted}) and two more for images and labels, or three: parameters by name, images, labels."
        )
    differentiated = tuple(position for position, number in enumerate(numbers) if number in own)
    if not differentiated:
        raise ModuleError(
            f"{shown} takes none of the parameters. Expected {', '.join(one.name for one in parameters)}."
        )
    return LossFunction(shown, tuple(numbers), differentiated, call)


def data_arguments(shown: str, module: StableModule, own: Sequence[int]) -> list[int]:
    """Images and labels."""
    roles = {number: argument.role for number, argument in enumerate(module.arguments) if number not in own}
    images = [number for number, role in roles.items() if role == "images"]
    labels = [number for number, role in roles.items() if role in ("labels", "one-hot")]
    if len(images) != 1 or len(labels) != 1:
        raise ModuleError(
            f"{shown}: the module has {len(images)} arguments taken for images and {len(labels)} for labels, expected "
            "one of each. Call the function's arguments as in the module."
        )
    return [*images, *labels]


def _tree(names: Sequence[str], arrays: Sequence[Any]) -> dict[str, Any]:
    """Parameters by name; names such as `p['dense']['w']` are places in dictionaries of dictionaries."""
    tree: dict[str, Any] = {}
    for name, array in zip(names, arrays, strict=True):
        path = re.findall(r"\['([^']+)'\]", name) or [name]
        at = tree
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = array
    return tree


def _loss(shown: str, found: Any) -> Any:
    """The loss of what a function gives: alone, or the first of several."""
    loss = found[0] if isinstance(found, tuple) and found else found
    if getattr(loss, "shape", None) != ():
        what = f"an array of {loss.shape}" if hasattr(loss, "shape") else f"a {type(loss).__name__}"
        raise ModuleError(f"{shown} gives {what}, expected a loss: a single number.")
    return loss


def _dtype(kind: Any, wide: bool) -> Any:
    return np.dtype(np.float64) if wide and kind == np.float32 else kind
