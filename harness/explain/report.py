"""What was located, as text and as JSON."""

import json
from dataclasses import asdict

from harness.explain.local_test import Finding
from harness.explain.locate import Location
from harness.explain.party import Meant
from harness.report.text import printable
from harness.verdict import EXIT_CODES, INCONCLUSIVE

EXPLAIN_VERSION = 1


def render(location: Location, meant: Meant, step: int, profile: str, form: str) -> str:
    """The evidence, a line a stage, and the culprit."""
    spec = meant.graph.spec
    facts = {
        "netspec_name": spec.name,
        "netspec_hash": spec.netspec_hash(),
        "step": step,
        "batch_size": meant.config.batch_size,
        "init_seed": meant.init_seed,
        "profile": profile,
    }
    if form == "json":
        document = {"explain_version": EXPLAIN_VERSION, **facts, **asdict(location), "exit_code": exit_code(location)}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    head = [
        f"network   {spec.name}, {meant.graph.total_params:,} parameters",
        f"netspec   {spec.netspec_hash()}",
        f"run       step {step} of batch {meant.config.batch_size}, init seed {meant.init_seed}, profile {profile}",
    ]
    others = [f"also off by itself: {_described(f)}" for f in _others(location)]
    parts = [head, list(location.evidence), [*others, conclusion(location)]]
    return printable("\n\n".join("\n".join(part) for part in parts)) + "\n"


def conclusion(location: Location) -> str:
    """One sentence."""
    if location.fault is None:
        return "nothing differs beyond rounding." if location.conclusive else "the two differ, and no place was found."
    if location.fault in ("data", "schedule"):
        return f"culprit: {location.fault}, on the side of {location.side}."
    side = "on both sides" if location.side == "both" else f"on the side of {location.side}"
    numerics = ", in f32 alone" if location.fault == "numerics" else ""
    return f"culprit: {_place(location.layer, location.direction)}, {side}{numerics}."


def exit_code(location: Location) -> int:
    """0 nothing found, 1 a culprit, 3 a difference without a place."""
    if location.fault is not None:
        return EXIT_CODES["FAIL"]
    return EXIT_CODES["PASS"] if location.conclusive else INCONCLUSIVE


def _others(location: Location) -> list[Finding]:
    """One finding for each other piece that is off, not counting what a layer's forward pass drags along."""
    seen = {(location.layer, location.side), (location.layer, "both")}
    others = []
    for f in location.culprits:
        if (f.layer, f.side) not in seen and (f.layer, "both") not in seen:
            seen.add((f.layer, f.side))
            others.append(f)
    return others


def _described(f: Finding) -> str:
    return f"{_place(f.layer, f.direction)}, {f.side}: {f.tensor} by {f.error:.2e}."


def _place(layer: str, direction: str) -> str:
    return layer if layer == direction else f"{layer}, {direction}"
