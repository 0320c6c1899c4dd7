"""`python -m harness.night.spread.dispatch`: takes parts to the hosts of a Ray cluster, asked on standard input.

Each line that it prints is an event. It knows nothing that is not in the request, in Ray, or in the hosts' folders.
"""

import os
import sys

import msgspec

from harness.errors import BundleError, HarnessError
from harness.night.spread.cluster import connect
from harness.night.spread.engine import PartEvent
from harness.night.spread.ray_engine import BROKEN, REFUSED, Dispatch
from harness.night.spread.schedule import Schedule


def main() -> int:
    """Exit code 0: every part has an event that ends it; `REFUSED`: the cluster cannot be used, in one line; `BROKEN`:
    a bundle that has come cannot be written here.
    """
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Dispatch)
    out = os.fdopen(os.dup(1), "wb", buffering=0)  # what else prints goes to standard error
    os.dup2(2, 1)

    def tell(event: PartEvent) -> None:
        out.write(msgspec.json.encode(event) + b"\n")

    try:
        cluster = connect(asked.address)
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return REFUSED
    try:
        Schedule(cluster, asked, tell).run()
    except BundleError as error:
        print(f"harness: {error}", file=sys.stderr)
        return BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main())
