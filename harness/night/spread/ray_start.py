"""`python -m harness.night.spread.ray_start start …`: the program `ray`, which stays on loopback where it is told so.

Its own server for clients elsewhere is left out: an engine runs on a host that has joined.
"""

import sys

from harness.night.spread.cluster import LOOPBACK, stay_on_loopback


def main() -> None:
    """Raises: SystemExit, as the program does."""
    from ray.scripts import scripts

    if f"--node-ip-address={LOOPBACK}" in sys.argv:
        stay_on_loopback()
    vars(scripts)["get_ray_client_dependency_error"] = lambda: ImportError("no server for clients is wanted")
    scripts.main()  # type: ignore[no-untyped-call]  # Ray leaves it untyped


if __name__ == "__main__":
    main()
