"""The parameters of a training loop by name, as they are at any moment, with their gradients."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from harness.errors import TraceError

Tensors = Mapping[str, Any] | Iterable[Any]
Layout = Callable[[str, Any], Any]


@runtime_checkable
class Live(Protocol):
    """Whatever has parameters that change. Tensors are in the shapes of the initial parameters' file."""

    def parameters(self) -> Mapping[str, Any]:
        """The parameters by name as they are now, in the order of that file."""

    def gradients(self) -> Mapping[str, Any]:
        """Those of the last step; empty where the loop hands them over itself."""

    def statistics(self) -> Mapping[str, Any]:
        """Running statistics by name; empty where there are none, or the loop hands them over itself."""


class LiveTensors:
    """Tensors that a loop changes in place, whose gradients are their `grad` (PyTorch), if they have one.

    `layout`: called with a name and a tensor, gives the view of it that has the shape of the initial parameters' file.
    """

    def __init__(self, params: Mapping[str, Any], layout: Layout | None = None) -> None:
        self.tensors = dict(params)
        self._layout = layout

    def parameters(self) -> dict[str, Any]:
        """Views in the layout of the file."""
        return {name: self.view(name, tensor) for name, tensor in self.tensors.items()}

    def gradients(self) -> dict[str, Any]:
        """Views in the layout of the file, of those that have one."""
        found = {name: getattr(tensor, "grad", None) for name, tensor in self.tensors.items()}
        return {name: self.view(name, grad) for name, grad in found.items() if grad is not None}

    def statistics(self) -> dict[str, Any]:
        """None are known."""
        return {}

    def view(self, name: str, tensor: Any) -> Any:
        """A tensor of a parameter's shape in the layout of the file."""
        held = tensor.detach() if hasattr(tensor, "detach") else tensor
        return held if self._layout is None else self._layout(name, held)


def named(tensors: Tensors, names: Iterable[str] | None, what: str) -> dict[str, Any]:
    """Tensors by name: a mapping, pairs as `named_parameters()` has them, or one for each name in their order.

    Raises: TraceError when they do not fit.
    """
    if isinstance(tensors, Mapping):
        return {str(name): tensor for name, tensor in tensors.items()}
    if isinstance(tensors, str) or not hasattr(tensors, "__iter__"):
        told = f"of {type(tensors).__name__}, expected arrays by name"
        raise TraceError(f"{what} is {told}, such as dict(model.named_parameters()) has them.")
    found = list(tensors)
    if all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in found):
        by_name = dict(found)
        if len(by_name) < len(found):
            twice = next(name for k, (name, _) in enumerate(found) if name in dict(found[:k]))
            raise TraceError(f"{what}: {twice!r} is there twice. Give each parameter a name of its own.")
        return by_name
    known = list(names or ())
    if len(found) != len(known):
        raise TraceError(f"{what}: {len(found)} tensors for {len(known)} parameters; give them by name.")
    return dict(zip(known, found, strict=True))
