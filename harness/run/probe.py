"""Versions and device of an interpreter.

A backend may have a Python of its own, without this package in it; this file is sent there as text and stands alone.
"""

import importlib.metadata
import json
import platform
import re
import sys
from typing import Any

_TELLING = re.compile(
    r"numpy|jax|jaxlib|jax-.*(plugin|pjrt)|iree-base-.*|nvidia-(cublas|cudnn|cuda-runtime).*|training-trace-harness"
)


def installed_versions() -> dict[str, str]:
    """Versions of the installed packages that affect a trace, by name."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if _TELLING.fullmatch(name):
            found.setdefault(name, distribution.version)  # the first one is the one that an import finds
    return dict(sorted(found.items()))


def _jax_device() -> dict[str, Any]:
    import jax

    devices = jax.devices()
    return {
        "device": devices[0].device_kind,
        "count": len(devices),
        "driver": " ".join(devices[0].client.platform_version.split()),
    }


def _iree_device(hal: str) -> dict[str, Any]:
    import iree.runtime

    devices = iree.runtime.get_driver(hal).query_available_devices()
    if not devices:
        sys.exit(f"the {hal} driver finds no device")
    return {"device": devices[0]["name"], "count": len(devices), "driver": ""}


def main(runtime: str, hal: str) -> None:
    """Print one JSON object as the last line; end with a message when there is no device."""
    facts = _jax_device() if runtime == "jax" else _iree_device(hal)
    facts["python"], facts["versions"] = platform.python_version(), installed_versions()
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
