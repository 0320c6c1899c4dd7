"""Versions and device of an interpreter.

A backend may have a Python of its own, without this package in it; this file is sent there as text and stands alone.
"""

import importlib.metadata
import json
import os
import platform
import re
import sys
from typing import Any

_TELLING = re.compile(
    r"numpy|jax|jaxlib|jax-.*(plugin|pjrt)|iree-base-.*|nvidia-(cublas|cudnn|cuda-runtime).*|training-trace-harness"
)
# What IREE's drivers tell of a device that is used here, `- gpu-arch-name: gfx1100` or `type: cpu`.
_TOLD = re.compile(r"^(?:- )?(gpu-compute-capability|gpu-arch-name|name|type|driver|driver_info): (.+)$", re.MULTILINE)


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
        "chip": str(getattr(devices[0], "compute_capability", "")),
    }


def _iree_device(hal: str) -> dict[str, Any]:
    import iree.runtime

    try:
        driver = iree.runtime.get_driver(hal)
        devices = driver.query_available_devices()
    except (RuntimeError, ValueError) as error:
        # Behind the place in IREE's sources, and without what it advises in general.
        said = re.search(r"\.c:\d+: [A-Z_]+; ([^;:\n]+)", str(error))
        sys.exit(said[1].strip() if said else str(error).splitlines()[0])
    if not devices:
        sys.exit(f"the {hal} driver finds no device")
    path = os.environ.get("IREE_DEVICE", "").partition("://")[2]
    chosen = choose(devices, path, by_number=hal != "vulkan")
    if chosen is None:
        there = ", ".join(device["path"] for device in devices)
        sys.exit(f"IREE_DEVICE names {path!r}, and the {hal} driver has {there}")
    told: dict[str, str] = {}
    if hasattr(driver, "dump_device_info"):
        try:
            told = about(driver.dump_device_info(chosen["device_id"]) or "")
        except RuntimeError:
            told = {}  # the name is enough to run on it
    return {
        "device": told.get("name", chosen["name"]),
        "count": len(devices),
        "driver": " ".join(filter(None, (told.get("driver"), told.get("driver_info")))),
        "chip": told.get("gpu-arch-name") or told.get("gpu-compute-capability", ""),
        "software": told.get("type") == "cpu",
    }


def choose(devices: list[dict[str, Any]], path: str, *, by_number: bool) -> dict[str, Any] | None:
    """The device that the part of IREE_DEVICE behind `://` names, by its path or by its number; without it the first.

    `by_number`: whether the driver takes numbers, from 0. None: it has no such device.
    """
    if not path:
        return devices[0]
    numbered = {str(i): device for i, device in enumerate(devices)} if by_number else {}
    return {**numbered, **{device["path"]: device for device in devices}}.get(path)


def about(dump: str) -> dict[str, str]:
    """What a driver tells of a device, by name."""
    return {name: value.strip() for name, value in _TOLD.findall(dump)}


def main(runtime: str, hal: str) -> None:
    """Print one JSON object as the last line; end with a message when there is no device."""
    facts = _jax_device() if runtime == "jax" else _iree_device(hal)
    facts["python"], facts["versions"] = platform.python_version(), installed_versions()
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
