"""The columns of a log that hold the step, the loss, the learning rate and the norm of the gradients."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import unknown
from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys


@dataclass(frozen=True)
class Chosen:
    """The columns of a log. `notes`: what is said of the choice."""

    loss: str
    step: str | None
    lr: str | None
    norm: str | None
    notes: tuple[str, ...]


# In the words of a name, separated by blanks: `train/loss_step` is "train loss step".
_LOSSES = {
    "loss",
    "losses",
    "loss step",
    "loss train",
    "loss training",
    "train loss",
    "train loss step",
    "train loss epoch",
    "training loss",
    "training loss step",
    "training loss epoch",
    "batch loss",
    "loss batch",
    "train batch loss",
    "lm loss",
    "train lm loss",
    "global avg loss",
    "loss metrics global avg loss",
}
_NOT_TRAINING = {
    "val",
    "valid",
    "validation",
    "eval",
    "evaluation",
    "test",
    "dev",
    "scale",
    "min",
    "max",
    "mtp",
    "best",
}
# In the order in which they are taken.
STEPS = (
    "step",
    "steps",
    "global step",
    "train global step",
    "trainer global step",
    "iteration",
    "iterations",
    "iter",
    "train step",
    "training step",
    "num steps",
    "batch",
)
_RATES = {"lr", "learning rate", "learningrate", "train lr", "train learning rate", "optimizer lr", "lr 0", "lr step"}
_NO_RATE = {"momentum", "decay"}
_NORMS = {
    "grad norm",
    "gradient norm",
    "gradnorm",
    "train grad norm",
    "train gradient norm",
    "global grad norm",
    "grad norm global",
    "grad norm total",
    "total grad norm",
    "grad 2 0 norm total",
    "grad norm step",
}


def words(name: str) -> str:
    """A name in lower case, its words separated by blanks."""
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def choose(source: LogFile, columns: Sequence[str], keys: LogKeys, label: str) -> Chosen:
    """The columns by their names, or as the user has named them. Raises: TraceError where a loss is not clear."""
    for key in (keys.step, keys.loss, keys.lr, keys.norm):
        if key is not None and key not in columns:
            raise source.error(unknown("column", key, columns))
    loss = keys.loss or _loss(source, columns, label)
    others = [column for column in columns if column != loss]
    step = keys.step or next((c for name in STEPS for c in others if words(c) == name), None)
    lr, lr_note = (keys.lr, None) if keys.lr else _optional("lr", [c for c in others if _is_rate(c)])
    norm, norm_note = (keys.norm, None) if keys.norm else _optional("norm", [c for c in others if words(c) in _NORMS])
    told = [f"{what} is '{column}'" for what, column in (("loss", loss), ("lr", lr), ("grad_norm", norm)) if column]
    return Chosen(loss, step, lr, norm, (*told, *filter(None, (lr_note, norm_note))))


def _loss(source: LogFile, columns: Sequence[str], label: str) -> str:
    candidates = [c for c in columns if words(c).endswith(("loss", "losses")) or "loss" in words(c).split()]
    candidates = [c for c in candidates if not _NOT_TRAINING & set(words(c).split())]
    known = [c for c in candidates if words(c) in _LOSSES]
    of_steps = {words(c).removesuffix(" step") for c in known if words(c).endswith(" step")}
    known = [c for c in known if words(c).removesuffix(" epoch") not in of_steps or words(c).endswith(" step")]
    found = known or candidates
    if len(found) == 1:
        return found[0]
    if not found:
        raise source.error(
            f"{label} without a column of losses; it has {_listed(columns, 'and')}. Name one with --loss-key."
        )
    raise source.error(f"the loss may be {_listed(found)}. Name one with --loss-key.")


def _is_rate(column: str) -> bool:
    name = words(column)
    if _NO_RATE & set(name.split()):
        return False
    return name in _RATES or name.startswith("lr ")


def _optional(what: str, found: Sequence[str]) -> tuple[str | None, str | None]:
    """The only column of a kind; of several none, and a note that asks for one."""
    if len(found) <= 1:
        return (found[0] if found else None), None
    return None, f"{'learning rates' if what == 'lr' else 'norms'} may be {_listed(found)} (--{what}-key names one)"


def _listed(names: Sequence[str], last: str = "or", most: int = 12) -> str:
    shown = [f"'{name}'" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return f" {last} ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:]))) or "none"
