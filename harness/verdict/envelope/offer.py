"""What to do about an envelope where none is known: the command that builds it, or why there can be none."""

import re
import shlex
from collections.abc import Iterator

from harness.spec.models import model_names
from harness.trace.format import one_line
from harness.trace.recording import Recording
from harness.trace.spelling import usual_dtype
from harness.verdict.compare import Comparison


def offer_envelope(comparison: Comparison) -> str:
    """One line for the gate of a pair that has no envelope."""
    sides = comparison.a, comparison.b
    if any(side.trace.header.init_sha256 is None for side in sides):
        return "an envelope belongs to initial parameters, and not both headers state theirs (init_sha256)."
    if any(usual_dtype(side.trace.header.dtype or "f32") != "f32" for side in sides):
        return "envelopes are of runs in f32."
    if any(side.trace.header.shuffle for side in sides):
        return "envelopes are of runs in file order, and this one is shuffled (shuffle)."
    if commands := [*_by_facts(sides), *_by_headers(sides)]:
        return f"no envelope is known of this run; `{commands[0][0]}` builds one{commands[0][1]}."
    return (
        "no envelope is known of this run; a file of the network and `harness envelope NAME.py` build one "
        "(docs/extending.md)."
    )


def _by_facts(sides: tuple[Recording, Recording]) -> Iterator[tuple[str, str]]:
    for side in sides:
        facts = None if side.manifest is None else side.manifest.cell
        if facts is None:
            continue
        known = facts.model if facts.model in model_names() else facts.network_file
        if known is not None:
            network = shlex.quote(one_line(known))
            yield " ".join(["harness envelope", network, *facts.start_options, *_data(side)]), ""


def _by_headers(sides: tuple[Recording, Recording]) -> Iterator[tuple[str, str]]:
    for side in sides:
        config, model = side.trace.header.config, _model_of(side.trace.header.netspec_name)
        if model is not None:
            batch = config.get("batch_size")
            size = ["--batch", str(batch)] if isinstance(batch, int) else []
            options = [*size, "--init FILE", *_data(side)]
            yield " ".join(["harness envelope", model, *options]), " from the file of its initial parameters"


def _data(side: Recording) -> list[str]:
    return ["--data synthetic"] if side.trace.header.dataset.endswith("-synthetic") else []


def _model_of(netspec_name: str) -> str | None:
    """The model whose name has the same letters and digits. Networks are not loaded: a comparison needs none."""
    wanted = _letters(netspec_name)
    return next((name for name in model_names() if _letters(name) == wanted), None)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
