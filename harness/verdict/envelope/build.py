"""Building the envelope of a network: run its members, and see how far they come apart."""

import hashlib
import time
from collections.abc import Callable, Sequence

import numpy as np

from harness.data.initial_parameters import initial_parameters
from harness.run.probe import installed_versions
from harness.run.provenance import cpu_model
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.trace.format import Floats, Trace
from harness.verdict.channels import LOSS, shared_channels
from harness.verdict.envelope.envelope import EPSILON, FORMAT, Envelope
from harness.verdict.envelope.growth import measure_growth
from harness.verdict.envelope.members import Members
from harness.verdict.envelope.plan import Plan

Report = Callable[[str], None]


def build_envelope(
    members: Members, plan: Plan, init_seed: int = DEFAULT_INIT_SEED, report: Report = lambda line: None
) -> Envelope:
    """Run the plan's members from the parameters of `init_seed`. Their feed has as many batches as the longest takes.

    Raises: RuleError for a missing rule.
    """
    started = time.perf_counter()
    graph, config, feed = members.graph, members.config, members.feed
    initial = np.concatenate([p.ravel() for p in initial_parameters(graph.params, init_seed)])
    report("reference")
    reference = members.run(plan.reference, initial)
    again = time.perf_counter()
    perturbed = [members.run(member, initial) for member in plan.perturbed_far]
    plain_seconds = (time.perf_counter() - again) / sum(member.steps for member in plan.perturbed_far)
    traces = []
    for number, member in enumerate(plan.members, 1):
        report(f"member {number} of {len(plan.members)}, {member.program}")
        traces.append(members.run(member, initial))
    names, reached = _apart(reference, traces, plan.steps)
    spread = pooled(reached)
    growth = measure_growth(reference.loss, [trace.loss for trace in perturbed], spread[:, names.index(LOSS)])
    return Envelope(
        format=FORMAT,
        netspec_name=graph.spec.name,
        netspec_hash=graph.spec.netspec_hash(),
        config=config.header(),
        total_params=graph.total_params,
        dataset=feed.dataset,
        data_sha256=feed.data_sha256,
        shuffle=False,
        init_seed=init_seed,
        init_sha256=hashlib.sha256(initial.astype("<f4").tobytes()).hexdigest(),
        dtype="f32",
        members=len(traces),
        channels=list(names),
        spreads=[[float(f"{value:.4g}") for value in row] for row in spread],
        growth=growth.rate,
        horizon=growth.horizon,
        observed=growth.observed,
        ceiling=growth.ceiling,
        training_steps=plan.cost,
        seconds=round(time.perf_counter() - started, 1),
        plain_seconds=round(plain_seconds * plan.cost, 1),
        built_with={**{name: installed_versions()[name] for name in ("jax", "jaxlib")}, "cpu": cpu_model()},
    )


def _apart(reference: Trace, traces: Sequence[Trace], steps: int) -> tuple[tuple[str, ...], Floats]:
    """The channels, and the largest relative difference of any member. Shapes: (steps, channels)."""
    compared = [shared_channels(reference, trace, range(1, steps + 1)) for trace in traces]
    return compared[0].names, np.max([channels.relative for channels in compared], axis=0)


def pooled(reached: Floats) -> Floats:
    """The spread: what a channel or, if that is more, the median channel has reached by then, at least one ulp.

    What flips is chance. A unit that flipped for no member at some step, or in one channel only, may do so in a pair at
    another step or in another channel.

    Shapes: reached and the result (steps, channels).
    """
    so_far = np.maximum.accumulate(reached, axis=0)
    return np.maximum(np.maximum(so_far, np.median(so_far, axis=1, keepdims=True)), EPSILON)
