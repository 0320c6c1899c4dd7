"""`python with_parent.py PARENT COMMAND…` becomes COMMAND, which the system kills when the process PARENT ends.

Stands alone and imports little: it runs before every program. Where the system cannot do that, COMMAND just runs.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
CANNOT_RUN = 126


def main(parent: int, command: list[str]) -> None:
    """Raises: SystemExit with `CANNOT_RUN` when the command cannot be run."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the system could be asked
        sys.exit(CANNOT_RUN)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_RUN)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
