"""Packages that only some verbs need: each is an extra of this one."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import PackageError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around the imports of what an extra brings. Raises: PackageError with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageError(
            f"the package {error.name} is not installed. Run `pip install 'training-trace-harness[{name}]'`."
        ) from None
