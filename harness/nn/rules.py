"""The rules of the whole vocabulary, collected from the files of its layers, losses and optimizers."""

import harness.nn.layers
import harness.nn.losses
import harness.nn.optimizers  # noqa: F401 - importing them registers their rules
from harness.spec import rules
from harness.spec.rules import Rules


def registered_rules() -> Rules:
    """The rules of every layer, loss and optimizer, those of a file of one's own included once it is imported."""
    return Rules(
        reference=rules.reference_rule.table(),
        jax=rules.jax_rule.table(),
        jax_eval=rules.jax_eval_rule.table(),
        hlo_forward=rules.hlo_forward.table(),
        hlo_backward=rules.hlo_backward.table(),
        hlo_eval=rules.hlo_eval_rule.table(),
        reference_loss=rules.reference_loss.table(),
        jax_loss=rules.jax_loss.table(),
        hlo_loss=rules.hlo_loss.table(),
        reference_optimizer=rules.reference_optimizer.table(),
        jax_optimizer=rules.jax_optimizer.table(),
        hlo_optimizer=rules.hlo_optimizer.table(),
    )
