"""Fits the margin: clean pairs of small networks, from several init seeds, each against its own envelope.

The fit is checked by holding out: every pair is judged once by a margin that was fitted on other networks only.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
from scipy.stats import genpareto

from harness.data.dataset import resolve_data
from harness.nn.cases import PUBLISHED, find_case
from harness.run.inprocess import Phase2, Phase3, first_batches, recorded
from harness.run.probe import installed_versions
from harness.run.provenance import cpu_model
from harness.system.files import replace_file
from harness.verdict.channels import shared_channels
from harness.verdict.envelope.build import build_envelope
from harness.verdict.envelope.margin import DEFAULT_RATE, Margin
from harness.verdict.envelope.members import Members
from harness.verdict.envelope.plan import make_plan

SEEDS = (42, 43, 44, 45)
BIG = ("mnist_mlp",)  # beside the small ones
_TYPICAL_TESTS = 100  # for which the factors of the two halves are put on record
TAIL = 0.05  # the share of ratios that the distribution is fitted to


class PairRatios(msgspec.Struct, frozen=True):
    """A clean pair, both pipelines of one network from one init seed, against its envelope.

    `ratios`: |delta| / spread of every channel and judged step.
    """

    network: str
    seed: int
    ratios: list[float]

    @property
    def worst(self) -> float:
        """The largest ratio."""
        return max(self.ratios)


def fit_margin(
    seeds: Sequence[int], names: Sequence[str], jobs: int, folder: Path, report: Callable[[str], None]
) -> Margin:
    """Run every network's pairs, and fit.

    `folder`: where each network's pairs are kept; what is there already is not run again.

    Raises: HarnessError when a program cannot be made, or the data not be had; OSError.
    """
    pairs = []
    for name, found in zip(names, _all_pairs(names, seeds, jobs, folder), strict=True):
        pairs += found
        report(f"{name}: at most {max(pair.worst for pair in found):.1f} times the spread")
    return fit_and_check(pairs)


def fit_and_check(pairs: Sequence[PairRatios]) -> Margin:
    """The margin fitted on all pairs, and how every second network's fare under that of the others."""
    networks = list(dict.fromkeys(pair.network for pair in pairs))
    halves = [[pair for pair in pairs if pair.network in networks[start::2]] for start in (0, 1)]
    outside = 0
    factors = []
    for fitted, held_out in (halves, halves[::-1]):
        half = fit_tail(fitted)
        outside += count_outside(half, held_out)
        factors.append(round(half.factor(DEFAULT_RATE, _TYPICAL_TESTS), 1))
    made_by = {"versions": installed_versions(), "cpu": cpu_model()}
    checked = {"pairs": len(pairs), "rate": DEFAULT_RATE, "outside": outside, "factors": factors}
    return msgspec.structs.replace(fit_tail(pairs), fitted_on=_described(pairs) | made_by, held_out=checked)


def fit_tail(pairs: Sequence[PairRatios]) -> Margin:
    """A generalised Pareto distribution of what lies above a threshold, by maximum likelihood."""
    ratios = np.concatenate([pair.ratios for pair in pairs])
    threshold = float(np.quantile(ratios, 1 - TAIL))
    beyond = ratios[ratios > threshold] - threshold
    shape, _, scale = genpareto.fit(beyond, floc=0)
    return Margin(
        threshold=threshold,
        exceeding=len(beyond) / len(ratios),
        scale=float(scale),
        shape=float(shape),
        fitted_on={},
        held_out={},
    )


def count_outside(margin: Margin, pairs: Sequence[PairRatios]) -> int:
    """The number of pairs that fail at the default rate."""
    return sum(pair.worst > margin.factor(DEFAULT_RATE, len(pair.ratios)) for pair in pairs)


def _described(pairs: Sequence[PairRatios]) -> dict[str, object]:
    worst = max(pairs, key=lambda pair: pair.worst)
    return {
        "pairs": len(pairs),
        "ratios": sum(len(pair.ratios) for pair in pairs),
        "networks": list(dict.fromkeys(pair.network for pair in pairs)),
        "seeds": sorted({pair.seed for pair in pairs}),
        "worst": round(worst.worst, 2),
        "worst_of": f"{worst.network}, seed {worst.seed}",
    }


def default_names() -> tuple[str, ...]:
    """The oracle's published cases and the networks beside them."""
    return (*(case.name for case in PUBLISHED), *BIG)


def _all_pairs(names: Sequence[str], seeds: Sequence[int], jobs: int, folder: Path) -> Iterator[list[PairRatios]]:
    missing = [name for name in names if not _kept(folder, name).exists()]
    cases = [find_case(name) for name in missing]
    data = [str(resolve_data(None, case.spec.dataset, case.spec.input_shape).folder) for case in cases]
    context = multiprocessing.get_context("spawn")
    # A process for each network: compiled programs are not given back.
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        running = pool.map(_run_pairs, missing, data, [tuple(seeds)] * len(missing), [folder] * len(missing))
        for name in names:
            if name in missing:
                next(running)
            yield msgspec.json.decode(_kept(folder, name).read_bytes(), type=list[PairRatios])


def _kept(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _run_pairs(name: str, data: str, seeds: Sequence[int], folder: Path) -> None:
    pairs = clean_pairs(name, data, seeds)
    with replace_file(_kept(folder, name)) as file:
        file.write(msgspec.json.encode(pairs))


def clean_pairs(name: str, data: str, seeds: Sequence[int]) -> list[PairRatios]:
    """The network's pairs, one a seed, each against the envelope of that seed."""
    case, plan = find_case(name), make_plan()
    graph, config = case.graph(), case.config
    feed = first_batches(graph, config, Path(data), plan.reference.steps)
    members = Members(graph, config, feed)
    sides = Phase2(graph, config, "f32"), Phase3(graph, config, "f32")
    pairs = []
    for seed in seeds:
        initial = Phase2(graph, config, "f32", init_seed=seed).initial()
        batches = feed.batches[: plan.steps]
        traces = []
        for side in sides:
            rates = side.rates(plan.steps, feed.steps_per_epoch)
            steps = side.train(batches, rates, initial)
            traces.append(
                recorded(side, steps, batches, rates, initial=initial, steps_per_epoch=feed.steps_per_epoch).trace
            )
        envelope = build_envelope(members, plan, seed)
        channels = shared_channels(traces[0], traces[1], range(1, plan.steps + 1))
        known = [channels.names.index(name) for name in envelope.channels]
        ratios = (channels.relative[:, known] / envelope.spread)[: envelope.judged]
        pairs.append(PairRatios(name, seed, ratios.ravel().tolist()))
    return pairs
