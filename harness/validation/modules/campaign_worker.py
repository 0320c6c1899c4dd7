"""Some targets one after another: `python -m harness.validation.modules.campaign_worker ORDER`, in JSON."""

from harness.module.executors import EXECUTORS
from harness.validation.modules import examination
from harness.validation.modules.campaign import Finding
from harness.validation.modules.faults import FAULTS
from harness.validation.modules.isolation import examine_isolation
from harness.validation.modules.networks import MODULES
from harness.validation.modules.own_networks import RUNS
from harness.validation.power.worker import work


def examined(kind: str, name: str) -> Finding:
    """The finding on one name of a kind. Raises: HarnessError when it cannot be made."""
    if kind == "network":
        return examination.examine_network(next(run for run in RUNS if run.name == name))
    subject, _, last = name.rpartition(" | ")
    if kind == "right":
        network, source = next(one for one in MODULES if " ".join(one) == subject)
        return examination.examine_right(network, source, int(last))
    if kind == "isolate":
        return examine_isolation(next(fault for fault in FAULTS if fault.name == subject), EXECUTORS[last])
    fault = next(fault for fault in FAULTS if fault.name == name)
    return examination.examine_effect(fault) if kind == "effect" else examination.examine_fault(fault)


if __name__ == "__main__":
    work(examined)
