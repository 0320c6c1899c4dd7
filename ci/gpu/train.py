"""Runs the night of a GPU check, by the environment that the harness is in: `train.py CONFIG FOLDER MINUTES`.

It goes on where an earlier one in the folder was stopped.
"""

import datetime
import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.night.config import parse_config
from harness.night.folder import NightFolder, begin
from harness.night.run import Budget, run_night
from harness.system.lock import exclusive
from harness.system.process import interruptible


def main(config: str, place: str, minutes: str) -> None:
    """Run what is missing, with a line about each part."""
    text, folder = Path(config).read_text(), NightFolder(Path(place))
    parse_config(text, config)

    def say(line: str) -> None:
        print(line, flush=True)

    interruptible()
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    with exclusive(folder.path, f"{folder.path}: another check is running there."):
        night = begin(folder, text, now)
        run_night(folder, night, Budget(float(minutes)), say, folder.path)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except HarnessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped")
