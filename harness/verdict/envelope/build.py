"""Building the envelope of a network: run its members, and see how far they come apart."""

import hashlib
import time
from collections.abc import Callable, Sequence

import numpy as np

from harness.data.initial_parameters import initial_parameters
from harness.run.inprocess import Array
from harness.run.probe import installed_versions
from harness.run.provenance import cpu_model
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Graph
from harness.trace.format import Floats, Trace
from harness.verdict.channels import LOSS, shared_channels
from harness.verdict.envelope.envelope import FORMAT, Envelope, pooled
from harness.verdict.envelope.growth import measure_growth
from harness.verdict.envelope.members import Members
from harness.verdict.envelope.plan import SCALARS, Plan

Report = Callable[[str], None]


def build_envelope(
    members: Members,
    plan: Plan,
    init_seed: int = DEFAULT_INIT_SEED,
    report: Report = lambda line: None,
    *,
    initial: Array | None = None,
) -> Envelope:
    """Run the plan's members from `initial` or, without it, from the parameters of `init_seed`.

    Their feed has as many batches as the longest takes.

    Shapes: initial (total_params,) f32.

    Raises: RuleError for a missing rule.
    """
    started = time.perf_counter()
    graph, config, feed = members.graph, members.config, members.feed
    start = drawn(graph, init_seed) if initial is None else initial
    report("reference")
    reference = members.run(plan.reference, start)
    again = time.perf_counter()
    perturbed = [members.run(member, start) for member in plan.perturbed_far]
    plain_seconds = (time.perf_counter() - again) / sum(member.steps for member in plan.perturbed_far)
    traces = []
    for number, member in enumerate(plan.members, 1):
        report(f"member {number} of {len(plan.members)}, {member.program}")
        traces.append(members.run(member, start))
    names, reached = _apart(reference, traces, plan.steps)
    # Scalars are no part of the growth: 1 - beta^t magnifies their ulp at once, and nothing has grown.
    free = [trace for member, trace in zip(plan.members, traces, strict=True) if member.program not in SCALARS]
    rounded = pooled(_apart(reference, free, plan.steps)[1], names)[:, names.index(LOSS)]
    growth = measure_growth(reference.loss, [trace.loss for trace in perturbed], rounded)
    return Envelope(
        format=FORMAT,
        netspec_name=graph.spec.name,
        netspec_hash=graph.spec.netspec_hash(),
        config=config.header(),
        total_params=graph.total_params,
        dataset=feed.dataset,
        data_sha256=feed.data_sha256,
        shuffle=False,
        init_seed=init_seed if initial is None else None,
        init_sha256=hashlib.sha256(start.astype("<f4").tobytes()).hexdigest(),
        dtype="f32",
        members=len(traces),
        channels=list(names),
        reached=[[float(f"{value:.4g}") for value in row] for row in reached],
        growth=growth.rate,
        horizon=growth.horizon,
        observed=growth.observed,
        ceiling=growth.ceiling,
        training_steps=plan.cost,
        seconds=round(time.perf_counter() - started, 1),
        plain_seconds=round(plain_seconds * plan.cost, 1),
        built_with={**{name: installed_versions()[name] for name in ("jax", "jaxlib")}, "cpu": cpu_model()},
    )


def drawn(graph: Graph, init_seed: int) -> Array:
    """The initial parameters of a seed as one vector. Shapes: (total_params,) f32."""
    return np.concatenate([p.ravel() for p in initial_parameters(graph.params, init_seed)])


def _apart(reference: Trace, traces: Sequence[Trace], steps: int) -> tuple[tuple[str, ...], Floats]:
    """The channels, and the largest relative difference of any member. Shapes: (steps, channels)."""
    compared = [shared_channels(reference, trace, range(1, steps + 1)) for trace in traces]
    return compared[0].names, np.max([channels.relative for channels in compared], axis=0)
