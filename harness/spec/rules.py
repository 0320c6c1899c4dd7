"""Rules: the functions that give a layer, loss or optimizer its meaning on each side.

A rule is registered beside the facts it belongs to, once, when its module is imported. Programs are emitted by a
`Rules` value, which never changes: wrong rules are another value. The two sides share facts, never arithmetic: no rule
calls another.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from harness.errors import RuleError
from harness.spec.network_file import guarded

Rule = Callable[..., Any]
R = TypeVar("R", bound=Rule)


class RuleTable(Mapping[type, Rule]):
    """One interpretation of the facts: an immutable mapping from class to function, by the name of its decorator."""

    def __init__(self, name: str, rules: Mapping[type, Rule]) -> None:
        self.name = name
        self._rules = MappingProxyType(dict(rules))

    def __getitem__(self, facts: type) -> Rule:
        return self._rules[facts]

    def __iter__(self) -> Iterator[type]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def of(self, facts: type) -> Rule:
        """The rule of `facts`. Raises RuleError that lists what exists."""
        if facts in self._rules:
            return self._rules[facts]
        known = ", ".join(sorted(cls.__name__ for cls in self._rules)) or "none"
        raise RuleError(
            f"{self.name}: no rule for {facts.__name__}. Existing: {known}. Register one with @{self.name}."
        )

    def replace(self, rules: Mapping[type, Rule]) -> "RuleTable":
        """Another table with those rules in the place of its own. Raises RuleError for one that it does not have."""
        for facts in rules:
            self.of(facts)
        return RuleTable(self.name, {**self, **rules})


@dataclass(frozen=True)
class Rules:
    """Everything that programs are emitted by, and the definition that judges them; one table an interpretation."""

    # rule(layer, r, *x) -> y: the definition, which belongs to neither side and judges both (reference.py).
    reference: RuleTable
    # rule(layer, j, *x) -> y
    jax: RuleTable
    # As jax, where evaluation differs from training (running statistics).
    jax_eval: RuleTable
    # rule(layer, h, *x) -> (y, saved): `saved` is whatever the backward rule needs.
    hlo_forward: RuleTable
    # rule(layer, h, saved, dy) -> one cotangent for each input; parameter gradients go to h.grad(name, value).
    hlo_backward: RuleTable
    # rule(layer, h, *x) -> y, where evaluation differs from training.
    hlo_eval: RuleTable

    # rule(loss, np, logits, labels, smoothing) -> scalar loss
    reference_loss: RuleTable
    # rule(loss, j, logits, labels, smoothing) -> scalar loss
    jax_loss: RuleTable
    # rule(loss, h, logits, labels, smoothing) -> (scalar loss, dlogits)
    hlo_loss: RuleTable

    # rule(optimizer, np, g, slots, t) -> (step direction, new slots): p moves by -lr times the direction.
    reference_optimizer: RuleTable
    # rule(optimizer, j, g, slots, t) -> (step direction, new slots): p moves by -lr times the direction.
    jax_optimizer: RuleTable
    hlo_optimizer: RuleTable

    def jax_eval_of(self, layer: type) -> Rule:
        """The JAX rule of a layer in evaluation: where it has none of its own, that of training."""
        return self.jax_eval[layer] if layer in self.jax_eval else self.jax.of(layer)

    def hlo_eval_of(self, layer: type) -> Rule:
        """The same in StableHLO, where training also saves what only its backward pass needs."""
        if layer in self.hlo_eval:
            return self.hlo_eval[layer]
        forward = self.hlo_forward.of(layer)
        return lambda *arguments: forward(*arguments)[0]

    def replace(self, **tables: Mapping[type, Rule]) -> "Rules":
        """These rules but for some, by table: `rules.replace(jax={Dense: wrong})` injects an error.

        Raises: RuleError for a rule that there is none of.
        """
        return dataclasses.replace(self, **{name: getattr(self, name).replace(own) for name, own in tables.items()})


class Registry:
    """A decorator that collects the rules of one interpretation: `@jax_rule(Dense)`.

    `result`: the tuple that a rule gives, in words; empty where it gives one value.
    """

    def __init__(self, name: str, result: str = "") -> None:
        self.name = name
        self._result = result
        self._rules: dict[type, Rule] = {}

    def __call__(self, facts: type) -> Callable[[R], R]:
        """Register a function as the rule of `facts`. Raises RuleError when there is one already."""

        def register(rule: R) -> R:
            if facts in self._rules:
                raise RuleError(f"{self.name}: {facts.__name__} has a rule already. Remove one of them.")
            self._rules[facts] = guarded(rule, self._result)
            return rule

        return register

    def table(self) -> RuleTable:
        """Table of the rules registered so far."""
        return RuleTable(self.name, self._rules)


reference_rule = Registry("reference_rule")
jax_rule = Registry("jax_rule")
jax_eval_rule = Registry("jax_eval_rule")
hlo_forward = Registry("hlo_forward", "(y, saved)")
hlo_backward = Registry("hlo_backward", "(dx, …)")
hlo_eval_rule = Registry("hlo_eval_rule")
reference_loss = Registry("reference_loss")
jax_loss = Registry("jax_loss")
hlo_loss = Registry("hlo_loss", "(loss, dlogits)")
reference_optimizer = Registry("reference_optimizer", "(direction, *slots)")
jax_optimizer = Registry("jax_optimizer", "(direction, *slots)")
hlo_optimizer = Registry("hlo_optimizer", "(direction, *slots)")
