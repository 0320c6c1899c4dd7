"""The reference traces that are committed."""

import pytest

from harness.night.references.reference import list_references, read_reference
from harness.spec.models import load_model
from harness.verdict.compare import Judging
from harness.verdict.pair import judge_recordings
from tests.support.paths import ROOT

FOLDER = ROOT / "traces" / "reference"
STEPS = {"mnist_mlp": 5616, "mnist_cnn": 200}


@pytest.mark.parametrize("model", STEPS)
def test_references_of_one_network_agree_with_each_other_and_with_its_spec(model: str) -> None:
    known = list_references(FOLDER)
    found = [read_reference(path) for side in (2, 3) for path in known[f"{model}.phase{side}-noshuf-cpu"].values()]
    assert len(found) == 2
    spec = load_model(model).spec
    for reference in found:
        trace = reference.recording.trace
        assert (trace.header.netspec_hash, trace.steps) == (spec.netspec_hash(), STEPS[model])
        assert reference.record.acceptances[-1].why
    verdict = judge_recordings(found[0].recording, found[1].recording, Judging(), "cross-compiler").verdict
    assert verdict is not None
    assert verdict.status == "PASS", verdict.reason
