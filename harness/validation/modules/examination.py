"""What is found out about one fault, one right module or one network of the package."""

import time
from collections.abc import Sequence

import msgspec

from harness.module.check import check_module
from harness.module.clone import Widener
from harness.module.execute import execute
from harness.module.executors import EXECUTORS, REFERENCE, ModuleExecutor
from harness.module.experiment import ModuleExperiment
from harness.module.inputs import draw
from harness.module.load import StableModule
from harness.module.members import first_members
from harness.module.words import ExecutorCheck, ModuleCheck, largest_ratio
from harness.spec.models import load_model
from harness.validation.modules.faults import OpFault, marked
from harness.validation.modules.faulty import faulty
from harness.validation.modules.injection import Injector
from harness.validation.modules.networks import Source, module_of, train_step
from harness.validation.modules.own_networks import BATCH, NetworkRun

SEED = 0
ENSEMBLE = 16  # members by which it is decided what can be seen of a fault
MEASURED = ("xla", "iree", "iree-generic", "vmvx", "interpreter")  # executors that every machine has
WITNESSES = ("xla", "iree")  # right ones, of two compilers
TIMEOUT_S = 300.0
NETWORK_TIMEOUT_S = 900.0


class EffectFinding(msgspec.Struct, frozen=True):
    """What a fault does in exact arithmetic: the largest ratio of what it moves to what rounding moves, by result."""

    ratio: float


class Judged(msgspec.Struct, frozen=True):
    """An executor in a check. `worst`: its worst results, `name: word`."""

    word: str
    ratio: float
    message: str
    compile_s: float
    run_s: float
    worst: tuple[str, ...] = ()


class CheckFinding(msgspec.Struct, frozen=True):
    """A check, by executor."""

    judged: dict[str, Judged]
    confirmed: str


class NetworkFinding(msgspec.Struct, frozen=True):
    """A check of a network's train step. `operations`: how many; `refusals`: of what is not judged, in words."""

    operations: int
    refusals: tuple[str, ...]
    reference: Judged
    judged: dict[str, Judged]
    seconds: float


def examine_effect(fault: OpFault) -> EffectFinding:
    """The right and the faulty module in f64, and how far rounding moves the right one."""
    found = marked(fault)
    experiment = _experiment(fault.network, fault.source)
    wrong = Injector().clone(found.module.inlined, "main")
    ran = execute(REFERENCE, Widener().clone(wrong, "main"), "main", experiment.wide_arguments(), timeout_s=TIMEOUT_S)
    return EffectFinding(max(experiment.ratios(ran.calls[0])))


def examine_fault(fault: OpFault, on: Sequence[str] = MEASURED) -> CheckFinding:
    """`check` of executors, by name, that have the fault, beside right ones of two compilers.

    They share the reference and its members; each has a word of its own.
    """
    wrong = [faulty(EXECUTORS[name]) for name in on]
    return _checked(marked(fault).module, [*(EXECUTORS[name] for name in WITNESSES), *wrong], SEED)


def examine_right(network: str, source: Source, seed: int) -> CheckFinding:
    """`check` of a right module on every executor of `MEASURED`."""
    return _checked(module_of(network, source), [EXECUTORS[name] for name in MEASURED], seed)


def examine_network(run: NetworkRun) -> NetworkFinding:
    """`check` of the train step of a network of the package."""
    started = time.monotonic()
    model = load_model(run.network, batch=BATCH, image_size=run.image_size)
    module = train_step(model.graph, model.config, run.source)
    rows = [EXECUTORS[name] for name in WITNESSES]
    operations = sum(module.ops.values())
    refusals = tuple(map(str, module.refusals))
    if refusals:
        nothing = Judged("not judged", 0.0, refusals[0], 0.0, 0.0)
        return NetworkFinding(operations, refusals, nothing, {}, time.monotonic() - started)
    check = check_module(module, rows, draw(module, SEED), seed=SEED, timeout_s=NETWORK_TIMEOUT_S)
    ran = check.reference
    reference = Judged(ran.outcome, 0.0, ran.message, ran.compile_s, ran.run_s)
    return NetworkFinding(operations, refusals, reference, _judged(check), time.monotonic() - started)


_experiments: dict[tuple[str, Source], ModuleExperiment] = {}


def _experiment(network: str, source: Source) -> ModuleExperiment:
    """The noisy ensemble of a right module."""
    if (network, source) not in _experiments:
        module = module_of(network, source)
        with ModuleExperiment(module, draw(module, SEED), SEED, TIMEOUT_S, lambda line: None) as made:
            made.members(first_members(SEED, ENSEMBLE), made.ensemble)
        _experiments[network, source] = made
    return _experiments[network, source]


def _checked(module: StableModule, executors: list[ModuleExecutor], seed: int) -> CheckFinding:
    check = check_module(module, executors, draw(module, seed), seed=seed, timeout_s=TIMEOUT_S)
    return CheckFinding(_judged(check), check.confirmed)


def _judged(check: ModuleCheck) -> dict[str, Judged]:
    return {one.execution.executor.name: _of(one) for one in check.executors}


def _of(one: ExecutorCheck) -> Judged:
    execution = one.execution
    worst = sorted((result for result in one.results if result.word != "rounding"), key=lambda result: -result.ratio)
    return Judged(
        one.word,
        largest_ratio(one) if one.results else 0.0,
        execution.message,
        round(execution.compile_s, 2),
        round(execution.run_s, 3),
        tuple(f"{result.name}: {result.word}" for result in worst[:4]),
    )
