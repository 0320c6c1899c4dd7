"""What was read from another tool's log, as a trace."""

from pathlib import Path

import msgspec

from harness.system.files import replace_file
from harness.trace.columns import step_lines
from harness.trace.recording import Recording


def write_trace(recording: Recording, path: Path) -> None:
    """The header, with what it does not know, and a line for each step. Raises: OSError."""
    encoder = msgspec.json.Encoder()
    with replace_file(path) as file:
        for line in (recording.trace.header, *step_lines(recording.trace)):
            file.write(encoder.encode(line) + b"\n")
