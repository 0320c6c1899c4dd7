"""The corpus of injected faults: each reaches its side, there alone, and nothing of it stays behind."""

import numpy as np
import pytest

from harness.emit.train_step import emit_logits
from harness.nn.rules import registered_rules
from harness.run.inprocess import Phase2, Side
from harness.validation.power.fault import SIDES, Fault
from harness.validation.power.faults import CASES, FAULTS
from harness.validation.power.networks import NETWORKS, STEPS, draw_feed
from harness.validation.power.pairs import DTYPES
from harness.validation.power.right import right_side

LABELS = np.arange(10, dtype=np.int32)


def program(side: Side) -> str:
    """Of training and evaluation."""
    if isinstance(side, Phase2):
        return side.source
    facts = side.graph, side.config.batch_size, side.dtype, side.conventions
    return side.text + emit_logits(*facts, rules=side.rules)


def test_the_corpus_is_as_large_as_it_has_to_be() -> None:
    assert len(FAULTS) >= 60
    assert len(CASES) >= 120
    assert len({fault.kind for fault in FAULTS.values()}) >= 12
    assert len({network for fault in FAULTS.values() for network in fault.where}) >= 4
    assert {case.side for case in CASES} == {"phase2", "phase3"}


def test_guilty_layers_exist() -> None:
    for fault in FAULTS.values():
        for network, guilty in fault.where.items():
            assert guilty is None or guilty in [node.name for node in NETWORKS[network].graph().nodes], fault.name


def is_changed(fault: Fault, side: Side, right: Side, network: str) -> bool:
    """In its program, its optimizer's code, its rates, its batches, or what its header states."""
    feed, usual = fault.injections[side.pipeline].feed(draw_feed(network)), draw_feed(network)
    fed = [
        (f.rates(s), [(b.x.tobytes(), b.labels.tobytes()) for b in f.batches(s)], f.read_test(LABELS).tolist())
        for f, s in ((feed, side), (usual, right))
    ]
    if fed[0] != fed[1] or program(side) != program(right):
        return True
    if (side.config, side.init_seed) != (right.config, right.init_seed):
        return True
    return isinstance(side, Phase2) and side.script.update.__code__.co_consts != right.script.update.__code__.co_consts


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_changes_its_side_and_no_other(fault: Fault) -> None:
    before = registered_rules()
    network = next(iter(fault.where))
    for pipeline in fault.injections:
        # What is a fault of one precision alone is none in the other.
        changed = []
        for dtype in DTYPES:
            side, right = fault.make(pipeline, network, dtype), right_side(SIDES[pipeline], network, dtype)
            changed.append(is_changed(fault, side, right, network))
            if changed[-1]:
                break
        assert any(changed)
        assert side.conventions == right.conventions
        if pipeline == "phase2":  # which is quick: injected again, it is the same
            assert program(fault.make(pipeline, network, dtype)) == program(side)
    assert registered_rules() == before


def test_epochs_end_within_the_steps_of_f64_and_leave_images_over() -> None:
    for name in NETWORKS:
        feed = draw_feed(name)
        assert (len(feed.image_rows), feed.steps_per_epoch) == (STEPS, 2)
        assert DTYPES == {"f32": STEPS, "f64": 4}
        assert NETWORKS[name].config.epochs * 2 == STEPS  # so that the accuracy after them judges
        assert len(np.unique(np.concatenate(feed.image_rows[:2]))) < len(feed.images)
