"""The facts of a trace header that are known before a program runs; both emitted programs carry them."""

import dataclasses
from typing import Any

import harness
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.shapes import Graph


def header_facts(
    graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions, pipeline: str
) -> dict[str, Any]:
    """The first seven keys in the published order, then this project's. Source: traces/README.md."""
    return {
        "kind": "header",
        "phase": pipeline,
        "netspec_name": graph.spec.name,
        "config": config.header(),
        "total_params": graph.total_params,
        "dataset": graph.spec.dataset,
        "emitter_version": harness.__version__,
        "netspec_hash": graph.spec.netspec_hash(),
        "conventions": dataclasses.asdict(conventions),
        "pipeline": pipeline,
        "dtype": dtype,
        "units": {"loss": "nats"},
        "params": [p.name for p in graph.params],
    }
