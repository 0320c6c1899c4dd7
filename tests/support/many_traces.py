"""Traces that differ by rounding, but for one."""

from harness.trace.recording import Recording
from tests.support.sample_traces import recording

FALLING = [2.0 / (k + 1) for k in range(20)]


def traces(count: int, wrong: int) -> list[Recording]:
    """Apart by rounding, but for one."""
    found = []
    for number in range(count):
        losses = [
            loss * (1 + number * 1e-8) + (0.5 if number == wrong and k else 0.0) for k, loss in enumerate(FALLING)
        ]
        found.append(recording(losses, path=f"t{number:02d}.jsonl"))
    return found
