"""Renders the report of 200 made-up cells as a page and opens it: size, seconds, memory.

python -m bench.page [--cells N] [--steps N] [--rounds N] [--out FILE]
"""

import argparse
import hashlib
import itertools
import math
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.report.page import render_page
from harness.report.summary import Summary, model_of
from harness.report.summary.history import HistoryRow
from harness.run.provenance import provenance
from harness.trace.format import TraceFile, TraceHeader
from harness.trace.manifest import CellFacts, Manifest, manifest_path, write_manifest
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.pairs import judge_cells

CELLS, STEPS, ROUNDS, NIGHTS = 200, 7020, 7, 30
EPOCH_STEPS = 468
WRONG = 3  # networks whose phase 3 is wrong on one backend
LIMIT_BYTES, LIMIT_SECONDS = 5_000_000, 2.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The system's Chromium."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def write_cells(folder: Path, cells: int, steps: int) -> None:
    """Networks trained by both pipelines on three backends, apart as rounding makes them."""
    variants = list(itertools.product(("phase2", "phase3"), ("cpu", "cuda", "rocm")))
    for number in range(cells):
        network, (pipeline, backend) = number // len(variants), variants[number % len(variants)]
        model = f"network_{network:02d}"
        wrong = 0.5 if network < WRONG and (pipeline, backend) == ("phase3", "rocm") else 0.0
        write_cell(folder, model, pipeline, backend, steps, number, wrong, f"host with {backend}")


def write_cell(
    folder: Path, model: str, pipeline: str, backend: str, steps: int, seed: int, wrong: float, host: str
) -> None:
    """A cell that nobody ran. `wrong`: what is added to its losses from step 2 on. Units: nats."""
    trace = folder / f"{model}.{pipeline}-noshuf-{backend}.jsonl"
    _write_trace(trace, model, pipeline, backend, steps, seed, wrong)
    facts = CellFacts(
        model=model, pipeline=pipeline, backend=backend, command=f"harness run {model} --pipeline {pipeline}"
    )
    manifest = Manifest(
        status="complete",
        cell=facts,
        steps_written=steps,
        trace_sha256=hashlib.sha256(trace.read_bytes()).hexdigest(),
        wall_s=600.0,
        provenance=_provenance(backend) | {"host": host},
    )
    write_manifest(manifest_path(trace), manifest)


@cache
def _provenance(backend: str) -> dict[str, Any]:
    return provenance({}, backend)


def summarize(folder: Path) -> Summary:
    """The report of the folder, with nights before it."""
    cells = read_store([folder]).cells
    rows = tuple(judge_cells(cells, Judging()))
    history = []
    for night in range(1, NIGHTS + 1):
        for row in rows:
            numbers = row.comparison.numbers if row.comparison is not None else None
            assert row.verdict is not None and numbers is not None
            history.append(
                HistoryRow(
                    night=f"2026-03-{night:02d}",
                    model=model_of(row),
                    pair=row.name,
                    kind=row.kind,
                    status=row.verdict.status,
                    fault=row.verdict.fault,
                    step_1=numbers.delta_at(1),
                    step_2=numbers.delta_at(2),
                    median=numbers.median,
                    max=numbers.max,
                    accuracy_a=None,
                    accuracy_b=None,
                    seconds_a=None,
                    seconds_b=None,
                    host_a=row.cells[0].host,
                    host_b=row.cells[1].host,
                    trace_a=None,
                    trace_b=None,
                )
            )
    return Summary("Training traces", "2026-04-01", "cross-comp", cells, rows, history=tuple(history))


def open_page(path: Path, chromium: str, rounds: int) -> Iterator[dict[str, float]]:
    """Seconds until it answers and until the first curves are drawn, and bytes of its heap, once a round."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        for _ in range(rounds):
            page = browser.new_page()
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]")
            ready = float(page.get_attribute("html", "data-ready") or "nan") / 1000
            heap = _heap(page)
            page.eval_on_selector(".panel", "panel => { panel.open = true; panel.scrollIntoView(); }")
            page.wait_for_selector(".chart[data-from]")
            drawn = page.evaluate("performance.now()") / 1000
            yield {"ready": ready, "drawn": drawn, "heap": heap, "heap_drawn": _heap(page)}
            page.close()


def main() -> int:
    """Measure, print, and say whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="keep the page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_cells(Path(folder), options.cells, options.steps)
        summary = summarize(Path(folder))
        start = time.perf_counter()
        page = render_page(summary).encode()
        rendering = time.perf_counter() - start
        path = options.out or Path(folder) / "report.html"
        path.write_bytes(page)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"page of {options.cells} cells with {options.steps} steps each, {len(summary.rows)} pairs, {NIGHTS} nights"
        )
        print(f"  size          {len(page) / 1e6:.2f} MB (limit {LIMIT_BYTES / 1e6:g})")
        print(f"  rendering     {rendering:.2f} s, peak of the process {peak:.0f} MiB")
        good = len(page) <= LIMIT_BYTES
        chromium = find_chromium()
        if chromium is None:
            print("  no Chromium here: loading was not measured")
            return 0 if good else 1
        rounds = list(open_page(path.absolute(), chromium, options.rounds))
    median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    print(f"  interactive   {median['ready']:.2f} s, median of {len(rounds)} (limit {LIMIT_SECONDS:g})")
    print(f"  first curves  {median['drawn']:.2f} s, one after the other: open a pair, unpack the library, draw")
    print(f"  heap          {median['heap'] / 2**20:.0f} MiB, {median['heap_drawn'] / 2**20:.0f} MiB with curves")
    return 0 if good and median["ready"] <= LIMIT_SECONDS else 1


def _write_trace(path: Path, model: str, pipeline: str, backend: str, steps: int, seed: int, wrong: float) -> None:
    header = TraceHeader(
        kind="header",
        phase=pipeline,
        netspec_name=model,
        config={"lr": 0.001, "batch_size": 128, "epochs": math.ceil(steps / EPOCH_STEPS), "use_adam": True},
        total_params=669706,
        dataset="mnist",
        emitter_version="1",
        pipeline=pipeline,
        backend=backend,
        dtype="f32",
    )
    step = np.arange(steps)
    spread = np.exp(np.random.default_rng(0).normal(0, 0.2, steps))
    rounding = 1e-7 * np.exp(np.minimum(step * 0.2, 11)) * np.random.default_rng(seed).normal(0, 1, steps)
    losses = (2.4 * np.exp(-6 * step / steps) * spread * (1 + rounding) + wrong * (step > 0)).astype(np.float32)
    with TraceFile(path, header) as writer:
        for k, loss in enumerate(losses.tolist()):
            writer.write_step(k + 1, k // EPOCH_STEPS, loss, 0.001)


def _heap(page: Any) -> float:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"])


if __name__ == "__main__":
    sys.exit(main())
