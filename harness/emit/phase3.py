"""NetSpec -> what the runner of modules needs: two StableHLO modules and a plan that says how to call them."""

import hashlib
from dataclasses import asdict
from typing import Any

from harness.emit.check import verify_module
from harness.emit.header import header_facts
from harness.emit.train_step import emit_logits, emit_train_step
from harness.spec.netspec import Conventions, DType, TrainConfig, describe
from harness.spec.rules import Rules
from harness.spec.shapes import Graph


def emit_phase3(
    graph: Graph,
    config: TrainConfig,
    dtype: DType,
    conventions: Conventions,
    *,
    rules: Rules,
    init_seed: int = 42,
    pipeline: str = "phase3",
) -> tuple[dict[str, str], dict[str, Any]]:
    """The verified module texts by function name, and the plan: facts only, JSON-able.

    Raises: RuleError for a missing rule; EmitError when a module does not verify.
    """
    texts = {
        "train_step": emit_train_step(graph, config, dtype, conventions, rules=rules),
        "logits": emit_logits(graph, config.batch_size, dtype, conventions, rules=rules),
    }
    for name, text in texts.items():
        verify_module(text, f"{graph.spec.name}, {name}")
    header = header_facts(graph, config, dtype, conventions, "phase3") | {"pipeline": pipeline}
    return texts, make_plan(header, texts["train_step"], graph, config, dtype, init_seed)


def make_plan(
    header: dict[str, Any], train_step: str, graph: Graph, config: TrainConfig, dtype: DType, init_seed: int
) -> dict[str, Any]:
    """What the runner is told about modules with the interface of `harness.emit.train_step`; `train_step` is one."""
    return {
        "header": header | {"emitted_sha256": hashlib.sha256(train_step.encode()).hexdigest()},
        "dtype": dtype,
        "input_shape": graph.spec.input_shape,
        "params": [asdict(p) for p in graph.params],
        "states": [asdict(s) for s in graph.states],
        "slots": config.optimizer.slots,
        "config": describe(config),
        "init_seed": init_seed,
    }
