"""The envelope of a network as it is trained here, from given initial parameters on given images."""

from functools import cache

from harness.run.inprocess import Batch, FirstBatches
from harness.validation.power.networks import NETWORKS, draw_feed
from harness.verdict.envelope.build import build_envelope
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.members import Members
from harness.verdict.envelope.plan import make_plan

_PLAN = make_plan()


@cache
def envelope_of(network: str, seed: int = 0) -> Envelope:
    """That of the data of `seed` and of the init seed 42 + `seed`."""
    members = _members(network)
    members.fed = _fed(network, seed)
    return build_envelope(members, _PLAN, init_seed=42 + seed)


@cache
def _members(network: str) -> Members:
    """Its programs are compiled once: initial parameters and images are no part of them."""
    one = NETWORKS[network]
    return Members(one.graph(), one.config, _fed(network, 0))


def _fed(network: str, seed: int) -> FirstBatches:
    steps = max(member.steps for member in (_PLAN.reference, *_PLAN.members, *_PLAN.perturbed_far))
    feed = draw_feed(network, seed, steps)
    pairs = zip(feed.image_rows, feed.label_rows, strict=True)
    batches = tuple(Batch(feed.images[rows], feed.labels[named]) for rows, named in pairs)
    return FirstBatches(batches, feed.steps_per_epoch, "drawn", "")
