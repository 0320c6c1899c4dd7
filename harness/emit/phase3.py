"""NetSpec -> two StableHLO modules, and the plan by which their runner calls them."""

from typing import Any

from harness.emit.header import header_facts
from harness.emit.plan import RunnerPlan, make_plan
from harness.emit.train_step import emit_logits, emit_train_step
from harness.errors import EmitError
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.rules import Rules
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Graph


def emit_phase3(
    graph: Graph,
    config: TrainConfig,
    dtype: DType,
    conventions: Conventions,
    *,
    rules: Rules,
    init_seed: int = DEFAULT_INIT_SEED,
    pipeline: str = "phase3",
    command: str | None = None,
) -> tuple[dict[str, str], RunnerPlan]:
    """The verified module texts by function name, and the plan.

    `command` is what regenerates the modules, for the reader.

    Raises: RuleError for a missing rule; EmitError when a module does not verify.
    """
    texts = {
        "train_step": emit_train_step(graph, config, dtype, conventions, rules=rules, command=command),
        "logits": emit_logits(graph, config.batch_size, dtype, conventions, rules=rules, command=command),
    }
    for name, text in texts.items():
        verify_module(text, f"{graph.spec.name}, {name}")
    header = header_facts(graph, config, dtype, conventions, "phase3") | {"pipeline": pipeline}
    return texts, make_plan(header, texts["train_step"], graph, config, dtype, init_seed)


def verify_module(text: str, where: str) -> None:
    """Parse StableHLO with the compiler's own MLIR library and run the verifiers of its operations.

    Without the compiler's package this does nothing: what runs there was compiled elsewhere, of this very text.

    Raises: EmitError with `where` and the first diagnostic, line and column included.
    """
    ir = _compiler_mlir()
    if ir is None:
        return
    with ir.Context():
        try:
            ir.Module.parse(text).operation.verify()
        except ir.MLIRError as error:
            first = error.error_diagnostics[0]
            raise EmitError(f"{where}: {first.location}: {first.message}") from None


def _compiler_mlir() -> Any:
    """The compiler's MLIR library; None where IREE is there to run modules, without its compiler.

    Raises: ModuleNotFoundError where nothing of IREE's is installed.
    """
    import iree  # noqa: F401 - a host that compiles nothing has this much of it

    try:
        import iree.compiler.ir as ir
    except ModuleNotFoundError:
        return None
    return ir
