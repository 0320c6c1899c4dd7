"""The claims of the published page, as data: what it says, of which pairs, and what decides.

Source: PAGE (April 2026, read at commit fe04682b), in words of our own. Left out is what it says of causes that no
trace shows, and its comparison of one network with the other.

Its "about" is read generously: `~1e-7` is anything below 1e-6, the next power of ten.
"""

from dataclasses import dataclass

from harness.report.corners.measures import (
    Measure,
    accuracy,
    apart,
    decided_by_gate,
    free_and_together,
    in_both_precisions,
    median,
    same_digest,
    ulps,
)
from harness.report.corners.table import COMPILER, KINDS, PLATFORM, VENDOR

PAGE = "traces/CROSS_BACKEND_RESULTS.md of brettkoonce/lean4-mlir"
MLP, CNN = "MNIST-MLP", "MNIST-CNN"
BATCH = 128  # of the published runs, which were in f32 and in file order


@dataclass(frozen=True)
class Claim:
    """One claim. `network`: by the name of its NetSpec. `kinds`: of the pairs that it is about. `two_backends`: it is
    about chips, and two hosts with one kind of them say nothing.

    `published`: the figures under it on the page. `section`: the heading that it stands under.
    """

    key: str
    network: str
    kinds: tuple[str, ...]
    says: str
    published: str
    section: str
    measure: Measure
    two_backends: bool = False


_PROVES, _NOT = "What the table proves", "What it doesn't prove"
_SCALES = "What scales, what doesn't"

CLAIMS = (
    Claim(
        "mlp-start",
        MLP,
        (PLATFORM, VENDOR),
        "Every host draws the same initial parameters, byte for byte.",
        "one SHA-256 on both hosts",
        _PROVES,
        same_digest("init_sha256", "initial parameters", across_hosts=True),
    ),
    Claim(
        "mlp-module",
        MLP,
        (VENDOR,),
        "One StableHLO text is compiled for every vendor.",
        "no digest is given",
        _PROVES,
        same_digest("emitted_sha256", "emitted program"),
        two_backends=True,
    ),
    Claim(
        "mlp-vendors",
        MLP,
        (VENDOR,),
        "Two vendors have the same losses at steps 1 and 2, to six decimals.",
        "0 and 0",
        _PROVES,
        apart((1, 2), 1e-6, exclusive=True),
        two_backends=True,
    ),
    Claim(
        "mlp-vendors-bits",
        MLP,
        (VENDOR,),
        "Two vendors have the same losses bit for bit up to step 4, and at step 5 they differ in the last bit.",
        "equal to six decimals up to step 4, 1e-6 apart at step 5",
        _PROVES,
        ulps({1: 0, 2: 0, 3: 0, 4: 0, 5: 1}),
        two_backends=True,
    ),
    Claim(
        "mlp-compilers",
        MLP,
        (COMPILER,),
        "Two compilers have the same first loss to about 1e-7, the precision of f32, on every platform.",
        "1.97e-07 and 3.38e-06",
        _PROVES,
        apart((1,), 1e-6),
    ),
    Claim(
        "mlp-compilers-rounding",
        MLP,
        (COMPILER,),
        "What two compilers differ by at step 2 is rounding, of Adam and of sums in another order.",
        "2.50e-05 and 1.27e-04",
        _PROVES,
        decided_by_gate("ladder", in_both_precisions, refuted_by="rounding"),
    ),
    Claim(
        "mlp-platforms",
        MLP,
        (PLATFORM,),
        "XLA computes the same first loss on two platforms but for its last bit.",
        "3.58e-06, 15 units in the last place",
        _PROVES,
        ulps({1: 1}),
        two_backends=True,
    ),
    Claim(
        "mlp-chaos",
        MLP,
        KINDS,
        "Later differences are rounding that training has amplified: at every step both sides compute the same.",
        "up to 1.31e-01",
        _NOT,
        decided_by_gate("lockstep", free_and_together),
    ),
    Claim(
        "mlp-accuracy",
        MLP,
        KINDS,
        "Every whole run ends with a validation accuracy of at least 98.4 %.",
        "at least 98.4 %",
        _NOT,
        accuracy(0.984),
    ),
    Claim(
        "cnn-vendors",
        CNN,
        (VENDOR,),
        "Two vendors have the same loss at step 1, to six decimals, and at step 2 but for one unit of the sixth.",
        "0 and 1e-06",
        _SCALES,
        apart((1, 2), 2e-6, exclusive=True, at_first=1e-6),
        two_backends=True,
    ),
    Claim(
        "cnn-compilers",
        CNN,
        (COMPILER,),
        "Two compilers have the same first loss to about 1e-5.",
        "1.08e-05 and 1.14e-04",
        _SCALES,
        apart((1,), 1e-4),
    ),
    Claim(
        "cnn-rounding",
        CNN,
        (COMPILER,),
        "Both compilers compute the same batch norm, and differ by the order of their sums alone.",
        "6.88e-03 and 1.44e-04 at step 2",
        _SCALES,
        decided_by_gate("ladder", in_both_precisions, refuted_by="rounding"),
    ),
    Claim(
        "cnn-median",
        CNN,
        KINDS,
        "Over a whole run half of the losses are at most 2e-3 apart, in every pair.",
        "1.11e-03 to 1.82e-03",
        _SCALES,
        median(2e-3),
    ),
    Claim(
        "cnn-trajectory",
        CNN,
        KINDS,
        "No run leaves the trajectory of the others.",
        "no figure is given",
        _SCALES,
        decided_by_gate("epoch means"),
    ),
    Claim(
        "cnn-accuracy",
        CNN,
        KINDS,
        "Every whole run ends with a validation accuracy of 99.4 %.",
        "99.35 % and 99.43 %",
        _SCALES,
        accuracy(0.9935),
    ),
)
