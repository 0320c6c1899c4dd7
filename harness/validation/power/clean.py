"""Clean pairs, which differ by rounding alone: no verdict on one of them may be a failure."""

from dataclasses import replace

import msgspec

from harness.run.inprocess import Side
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.validation.power.examination import Detection, detections
from harness.validation.power.networks import NETWORKS, draw_feed
from harness.validation.power.pairs import DTYPES, OTHER_MODES, Run, run, verdicts
from harness.validation.power.right import right_labels, right_side
from harness.validation.variations import VARIATIONS, CleanPair, clean_pairs
from harness.verdict.judge import Status

# By variation, of each network that it suits.
NUMBERS = {
    "other seeds": 90,
    "batches summed backwards": 20,
    "double scalars": 10,
    "other compiler": 10,
    "IREE on one thread": 8,
    "XLA on one thread": 8,
    "generic processor": 8,
    "jit off": 1,
    "interpreter": 1,
}
PAIRS = clean_pairs(NETWORKS, NUMBERS)


class CleanFinding(msgspec.Struct, frozen=True):
    """The result of a clean pair. `detections`: by detector. `statuses`: in other modes, by mode and detector."""

    detections: dict[str, Detection]
    statuses: dict[str, dict[str, Status]]


def examine_pair(pair: CleanPair) -> CleanFinding:
    """The verdict of each detector on a clean pair."""
    variation = VARIATIONS[pair.variation]
    backwards = pair.seed % 2 if variation.backwards else None
    a, b = (
        {dtype: _run(right_side(make, pair.network, dtype), pair, at == backwards) for dtype in DTYPES}
        for at, make in enumerate(variation.sides)
    )
    others = {
        mode.name: {name: verdict.status for name, verdict in verdicts(a, b, mode).items()} for mode in OTHER_MODES
    }
    return CleanFinding(detections(verdicts(a, b)), others)


def _run(side: Side, pair: CleanPair, backwards: bool) -> Run:
    feed, labels = draw_feed(pair.network, pair.seed), right_labels(pair.network, pair.seed)
    side.init_seed = DEFAULT_INIT_SEED + pair.seed
    if not backwards:
        return run(side, feed, labels)
    rows = tuple(rows[::-1] for rows in feed.image_rows)
    # The same sums in another order, under the name of the batch as it is drawn.
    return run(side, replace(feed, image_rows=rows, label_rows=rows), labels, stated=feed)
