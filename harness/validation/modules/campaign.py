"""Everything that is to be found out about verdicts on modules, as targets of a campaign."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.system.process import run_module
from harness.validation.modules.examination import CheckFinding, EffectFinding, NetworkFinding
from harness.validation.modules.faults import FAULTS
from harness.validation.modules.isolation import IsolationFinding
from harness.validation.modules.networks import MODULES
from harness.validation.modules.own_networks import RUNS
from harness.validation.power.campaign import Campaign, Target
from harness.validation.power.journal import Row

EFFECT, CHECK, ISOLATE, RIGHT, NETWORK = "effect", "check", "isolate", "right", "network"
SEEDS = 3
SEARCHED = ("xla", "iree")  # executors on which the operation is searched for
MODULE_TARGETS = (
    *(Target(EFFECT, fault.name, "exact") for fault in FAULTS),
    *(Target(CHECK, fault.name, "every executor") for fault in FAULTS),
    *(Target(ISOLATE, f"{fault.name} | {on}", on) for on in SEARCHED for fault in FAULTS),
    *(
        Target(RIGHT, f"{network} {source} | {seed}", "every executor")
        for network, source in MODULES
        for seed in range(SEEDS)
    ),
    *(Target(NETWORK, run.name, run.name) for run in RUNS),
)
Finding = EffectFinding | CheckFinding | IsolationFinding | NetworkFinding
_KINDS: dict[str, type[Finding]] = {
    EFFECT: EffectFinding,
    CHECK: CheckFinding,
    ISOLATE: IsolationFinding,
    RIGHT: CheckFinding,
    NETWORK: NetworkFinding,
}


def module_campaign(targets: Sequence[Target], folder: Path) -> Campaign:
    """The campaign of some of them."""
    return Campaign(targets, folder, run_module("harness.validation.modules.campaign_worker"), _is_readable)


def finding_of(row: Row) -> Finding | None:
    """The finding of a row; None where its process did not finish."""
    return None if row.finding is None else msgspec.convert(row.finding, _KINDS[row.kind])


def _is_readable(row: Row) -> bool:
    try:
        finding_of(row)
    except (KeyError, msgspec.ValidationError):
        return False
    return True
