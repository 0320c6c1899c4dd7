"""The chip of a GPU: what its driver, its vendor's tool or its kernel module says of it, as iree-compile names it."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BackendError

KFD_NODES = Path("/sys/class/kfd/kfd/topology/nodes")
_AMD = 4098  # vendor in the topology; NVIDIA's open kernel module has nodes there, too
_TOOL_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class ChipTarget:
    """A chip to compile for. `source`: where it was read. `compiled_as`: the name that iree-compile is given.

    They differ where the compiler does not know the chip, and code for an older one runs on it.
    """

    chip: str
    source: str
    compiled_as: str

    def __str__(self) -> str:
        return self.chip if self.compiled_as == self.chip else f"{self.chip} as {self.compiled_as}"


def chip_name(told: str) -> str:
    """`8.9` is `sm_89`, `gfx90a:sramecc+:xnack-` is `gfx90a`; empty for anything else."""
    capability = re.fullmatch(r"(\d+)\.(\d)", told.strip())
    if capability is not None:
        return f"sm_{capability[1]}{capability[2]}"
    gfx = re.match(r"gfx[0-9a-f]+(?=:|\s|$)", told.strip())
    return gfx[0] if gfx is not None else ""


def stand_in(chip: str, known: Sequence[str]) -> str:
    """The newest of the known `sm_` chips whose code runs on `chip`; `chip` itself where it is known, or none is older.

    An NVIDIA driver translates PTX of an older chip for a newer one. Source: PTX ISA, `.target`.
    """
    if chip in known:
        return chip
    older = [name for name in known if _number(name) <= _number(chip)]
    return max(older, key=_number, default=chip)


def _number(chip: str) -> int:
    return int(re.sub(r"\D", "", chip) or 0)


def read_nvidia_smi(text: str) -> list[str]:
    """Chips in the output of `nvidia-smi --query-gpu=compute_cap --format=csv,noheader`, a line a GPU."""
    return [chip for line in text.splitlines() if (chip := chip_name(line))]


def read_kfd(nodes: Path) -> list[str]:
    """Chips in the topology of the amdgpu kernel module, a folder a node, in the order of their numbers.

    `gfx_target_version 90402` is major 9, minor 4, stepping 2, the latter two in hexadecimal: `gfx942`.
    """
    found = {}
    for file in nodes.glob("*/properties"):
        if not (file.parent.name.isascii() and file.parent.name.isdecimal()):
            continue
        try:
            properties = dict(re.findall(r"^(\w+) (\d+)$", file.read_text(errors="replace"), re.MULTILINE))
        except OSError:
            continue  # of a GPU that this user may not look at
        version = int(properties.get("gfx_target_version", 0))
        if version and int(properties.get("vendor_id", _AMD)) == _AMD:
            found[int(file.parent.name)] = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    return [found[number] for number in sorted(found)]


def ask_nvidia_smi() -> list[str]:
    """Chips by NVIDIA's tool; none where it is not there or does not answer."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=_TOOL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return read_nvidia_smi(done.stdout) if done.returncode == 0 else []


def chip_of_host(prefix: str, variable: str) -> tuple[str, str]:
    """Chip and source for a host whose GPU is not asked through a run time; both empty where nothing tells.

    `prefix`: of the family's names. Raises: BackendError where the GPUs are of several kinds.
    """
    source, chips = ("nvidia-smi", ask_nvidia_smi()) if prefix == "sm_" else (str(KFD_NODES), read_kfd(KFD_NODES))
    if not chips:
        return "", ""
    if len(set(chips)) > 1:
        kinds = ", ".join(dict.fromkeys(chips))
        raise BackendError(f"{source} lists GPUs of several kinds ({kinds}). Name one of them in {variable}.")
    return chips[0], source
