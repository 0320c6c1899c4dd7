"""The runner's part: rates, batches, labels, initial parameters."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.data.batches import BatchOrder, Indices
from harness.run.inprocess import Array, Side
from harness.spec.netspec import TrainConfig
from harness.validation.power.fault import Fault, Injection
from harness.validation.power.faults.injecting import Injections, everywhere
from harness.validation.power.networks import Feed

_SOME = dict.fromkeys(("mlp", "cnn", "attention"))
_ALL = dict.fromkeys(("mlp", "cnn", "residual", "attention"))
_WARMED = dict.fromkeys(("residual", "attention"))
_COSINE = dict.fromkeys(("mlp", "mobile"))
_SHUFFLED = dict.fromkeys(("cnn", "residual"))
_PICTURES = dict.fromkeys(("mlp", "cnn", "attention", "colour"))
_MEAN, _DEVIATION = np.float32(0.1307), np.float32(0.3081)


def _fed(change: Callable[[Feed], Feed]) -> Injections:
    return everywhere(Injection(feed=change))


def _spoilt(change: Callable[[Feed], Feed]) -> Injections:
    """After the digests of the batches were taken, so that they are equal."""
    return everywhere(Injection(feed=change, right_digests=True))


def _seen(change: Callable[[Array], Array]) -> Injections:
    """Every image as the program sees it."""
    return _spoilt(lambda feed: replace(feed, images=change(feed.images)))


def _rated(change: Callable[[TrainConfig], TrainConfig]) -> Injections:
    """A schedule for another config."""
    return everywhere(Injection(config=change))


def _rate(change: Callable[[float], float]) -> Injections:
    """Another rate at a step than the side's formula gives."""

    def rate(side: Side, t: int, steps_per_epoch: int) -> np.float32:
        return np.float32(change(float(side.learning_rate(t, steps_per_epoch))))

    return _fed(lambda feed: replace(feed, rate=rate))


def _rate_of_next(side: Side, t: int, steps_per_epoch: int) -> np.float32:
    return side.learning_rate(t + 1, steps_per_epoch)


def _one_label(feed: Feed) -> Feed:
    labels = feed.labels.copy()
    at = feed.label_rows[0][1]
    labels[at] = (labels[at] + 1) % 10
    return replace(feed, labels=labels)


def _one_pixel(feed: Feed) -> Feed:
    images = feed.images.copy()
    images[feed.image_rows[0][1]].flat[5] += np.float32(1 / 255)
    return replace(feed, images=images)


def _swapped(feed: Feed) -> Feed:
    first, second, *later = feed.image_rows
    rows = (second, first, *later)
    return replace(feed, image_rows=rows, label_rows=rows)


def _backwards(feed: Feed) -> Feed:
    rows = tuple(rows[::-1] for rows in feed.image_rows)
    return replace(feed, image_rows=rows, label_rows=rows)


def _without_labels(feed: Feed) -> Feed:
    """Two images of other labels changed places, and their labels left where they were."""
    rows = feed.image_rows[0].copy()
    other = int(np.argmax(feed.labels[rows] != feed.labels[rows[0]]))
    rows[[0, other]] = rows[[other, 0]]
    return replace(feed, image_rows=(rows, *feed.image_rows[1:]))


def _last_dropped(feed: Feed) -> Feed:
    """Epochs one batch short: each step is fed what an epoch begins with."""
    begun = feed.image_rows[::2]
    rows = (*begun, *begun)
    return replace(feed, image_rows=rows, label_rows=rows, steps_per_epoch=1)


def _remainder_kept(feed: Feed) -> Feed:
    """A third batch in every epoch, of the images left over, filled up from the start."""
    rows: list[Indices] = []
    for first, second in zip(feed.image_rows[::2], feed.image_rows[1::2], strict=True):
        rest = np.setdiff1d(np.arange(len(feed.images)), np.concatenate([first, second]))
        rows += (first, second, np.concatenate([rest, first])[: len(first)])
    kept = tuple(rows[: len(feed.image_rows)])
    return replace(feed, image_rows=kept, label_rows=kept, steps_per_epoch=3)


def _file_order(feed: Feed) -> Feed:
    order = BatchOrder(len(feed.images), len(feed.image_rows[0]), shuffle=False)
    rows = tuple(order.batch_indices(step) for step in range(1, len(feed.image_rows) + 1))
    return replace(feed, image_rows=rows, label_rows=rows)


def _not_shuffled_again(feed: Feed) -> Feed:
    rows = feed.image_rows[:2] * (len(feed.image_rows) // 2)
    return replace(feed, image_rows=rows, label_rows=rows)


def _other_header(side: Side) -> None:
    side.config = replace(side.config, batch_size=side.config.batch_size + 1)


def _other_seed(side: Side) -> None:
    side.init_seed += 1


FAULTS = (
    Fault("rate times 1.001", "learning rate", "schedule", _SOME, _rate(lambda rate: rate * 1.001)),
    Fault("rate with six decimals", "printed constant", "schedule", _COSINE, _rate(lambda rate: round(rate, 6))),
    Fault("rate of the next step", "warm-up", "schedule", _ALL, _fed(lambda feed: replace(feed, rate=_rate_of_next))),
    Fault(
        "warm-up one epoch longer",
        "warm-up",
        "schedule",
        _WARMED,
        _rated(lambda c: replace(c, warmup_epochs=c.warmup_epochs + 1)),
    ),
    Fault("no warm-up", "warm-up", "schedule", _WARMED, _rated(lambda c: replace(c, warmup_epochs=0))),
    Fault("cosine one epoch longer", "cosine", "schedule", _COSINE, _rated(lambda c: replace(c, epochs=c.epochs + 1))),
    Fault("no cosine", "cosine", "schedule", _COSINE, _rated(lambda c: replace(c, cosine=False))),
    Fault(
        "schedule a step",
        "cosine",
        "schedule",
        dict.fromkeys(("attention", "mobile")),
        _rated(lambda c: replace(c, schedule="step")),
    ),
    Fault("batches in another order", "batch order", "data", _ALL, _fed(_swapped)),
    Fault("images of a batch in another order", "batch order", "data", _SOME, _fed(_backwards)),
    Fault("file order for shuffled", "batch order", "data", _SHUFFLED, _fed(_file_order)),
    Fault("shuffled once only", "batch order", "data", _SHUFFLED, _fed(_not_shuffled_again)),
    Fault("one label wrong", "one label", "data", _SOME, _fed(_one_label)),
    Fault("one pixel off by one", "one label", "data", _SOME, _fed(_one_pixel)),
    Fault("an image without its label", "image without its label", "data", _SOME, _fed(_without_labels)),
    Fault(
        "pixels over 256",
        "pixels",
        "data",
        _SOME,
        _fed(lambda feed: replace(feed, images=feed.images * np.float32(255 / 256))),
    ),
    Fault("labels moved on", "labels", "forward", _SOME, _spoilt(lambda f: replace(f, labels=(f.labels + 1) % 10))),
    Fault("an image without its label, unsaid", "image without its label", "forward", _SOME, _spoilt(_without_labels)),
    Fault("one label wrong, unsaid", "one label", "forward", _SOME, _spoilt(_one_label)),
    Fault("pixels around zero", "pixels", "forward", _PICTURES, _seen(lambda x: x - np.float32(0.5))),
    Fault("pixels normalised", "pixels", "forward", _PICTURES, _seen(lambda x: (x - _MEAN) / _DEVIATION)),
    Fault("channels in another order", "pixels", "forward", {"colour": None}, _seen(lambda x: x[:, ::-1])),
    Fault("rows for columns", "pixels", "forward", dict.fromkeys(("cnn", "colour")), _seen(lambda x: x.swapaxes(2, 3))),
    # A header says how many steps an epoch has.
    Fault("last batch dropped", "last batch", "contract", _ALL, _fed(_last_dropped)),
    Fault("remainder kept", "last batch", "contract", _SOME, _fed(_remainder_kept)),
    Fault("another init seed", "initial parameters", "contract", _SOME, everywhere(Injection(made=_other_seed))),
    Fault("another batch size stated", "header", "contract", {"mlp": None}, everywhere(Injection(made=_other_header))),
)
