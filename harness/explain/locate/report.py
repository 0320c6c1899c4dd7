"""The location of a fault, as text and as JSON."""

import json
from dataclasses import asdict, dataclass

from harness.explain.locate.experiment import Experiment
from harness.explain.locate.findings import Finding
from harness.explain.locate.location import Location
from harness.explain.locate.reproducer import Reproducer
from harness.system.text import Document, spaced
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE

EXPLAIN_VERSION = 1


@dataclass(frozen=True)
class LocationReport:
    """The location, the experiment, the sentences of the dumps, and the reproducer if there is one.

    `operations`: what a search by operations said of a step that is wrong while its pieces are right.
    """

    location: Location
    experiment: Experiment
    step: int
    profile: str
    dumped: tuple[str, ...] = ()
    reproducer: Reproducer | None = None
    operations: tuple[str, ...] = ()


def render(report: LocationReport, form: str) -> Document | str:
    """The evidence, one line per stage, and the culprit."""
    location, experiment, made = report.location, report.experiment, report.reproducer
    spec = experiment.graph.spec
    facts = {
        "netspec_name": spec.name,
        "netspec_hash": spec.netspec_hash(),
        "step": report.step,
        "batch_size": experiment.config.batch_size,
        "init_seed": experiment.init_seed,
        "profile": report.profile,
    }
    if form == "json":
        shown: dict[str, object] | None = None if made is None else {"folder": str(made.folder), "shows": made.shows}
        document = {"explain_version": EXPLAIN_VERSION, **facts, **asdict(location)}
        document |= {
            "operations": report.operations,
            "dumped": report.dumped,
            "reproducer": shown,
            "exit_code": exit_code(location),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    head = [
        f"network   {spec.name}, {experiment.graph.total_params:,} parameters",
        f"netspec   {spec.netspec_hash()}",
        f"run       step {report.step} of batch {experiment.config.batch_size}, init seed {experiment.init_seed}, "
        f"profile {report.profile}",
    ]
    others = [f"also fails in isolation: {_described(f)}" for f in _others(location)]
    end = [*others, conclusion(location)]
    if made is not None:
        ran = "run and verified" if made.shows else "it was run and does NOT show the error"
        end.append(f"Reproducer: {made.folder}/ ({ran}); `python run.py` there.")
    return spaced(map(Document, (head, [*location.evidence, *report.operations, *report.dumped], end)))


def conclusion(location: Location) -> str:
    """One sentence."""
    if location.fault is None:
        return "nothing differs beyond rounding." if location.conclusive else "the two differ, and no place was found."
    if location.fault in ("data", "schedule"):
        return f"culprit: {location.fault}, on the side of {location.side}."
    side = "on both sides" if location.side == "both" else f"on the side of {location.side}"
    numerics = ", in f32 only" if location.fault == "numerics" else ""
    return f"culprit: {_place(location.layer, location.direction)}, {side}{numerics}."


def exit_code(location: Location) -> int:
    """0 nothing found, 1 a culprit, 3 a difference without a place."""
    if location.fault is not None:
        return EXIT_CODES["FAIL"]
    return EXIT_CODES["PASS"] if location.conclusive else INCONCLUSIVE


def _others(location: Location) -> list[Finding]:
    """One finding for each other layer and side that fails: a wrong forward pass makes the backward pass wrong too."""
    seen = {(location.layer, location.side), (location.layer, "both")}
    others = []
    for f in location.culprits:
        if (f.layer, f.side) not in seen and (f.layer, "both") not in seen:
            seen.add((f.layer, f.side))
            others.append(f)
    return others


def _described(f: Finding) -> str:
    return f"{_place(f.layer, f.direction)}, {f.side}: {f.wrong_result} deviates by {f.error:.2e}."


def _place(layer: str, direction: str) -> str:
    return layer if layer == direction else f"{layer}, {direction}"
