"""Packages that only some verbs need: each comes with an extra of this one."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import PackageError

# What a verb imports when it is run, and the extra that brings it.
EXTRAS = {
    "autograd": "run",
    "cryptography": "sign",
    "iree": "run",
    "iree-base-compiler": "run",  # by its version
    "jax": "run",
    "jaxlib": "run",
    "mlperf_logging": "mllog",
    "pandas": "pandas",
    "PIL": "run",
    "pyarrow": "history",
    "ray": "ray",
    "scipy": "run",
    "securesystemslib": "sign",
    "tensorboardX": "tensorboard",
}


def missing(error: ModuleNotFoundError) -> PackageError | None:
    """The error that a user is told, with the command that installs the package; None for a fault of ours."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    install = f"pip install 'training-trace-harness[{EXTRAS[package]}]'"
    return PackageError(f"the package {error.name} is not installed. Run `{install}`.")


@contextmanager
def extra() -> Iterator[None]:
    """Around imports, for callers that are no verb. Raises: PackageError with the command that installs what lacks."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (told := missing(error)) is None:
            raise
        raise told from None
