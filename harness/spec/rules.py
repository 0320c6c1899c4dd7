"""The rule tables: which function gives a layer, loss or optimizer its meaning on each side.

A rule is registered beside the facts it belongs to. The two sides share facts, never arithmetic: no rule calls another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from harness.errors import RuleError

Rule = Callable[..., Any]
R = TypeVar("R", bound=Rule)


class RuleTable:
    """One interpretation of the facts: a dict from class to function."""

    def __init__(self, name: str, *, falls_back_to: "RuleTable | None" = None) -> None:
        self.name = name
        self._rules: dict[type, Rule] = {}
        self._falls_back_to = falls_back_to

    def __call__(self, facts: type) -> Callable[[R], R]:
        """Decorator: register a function as the rule of `facts`. Raises RuleError when there is one already."""

        def register(rule: R) -> R:
            if facts in self._rules:
                raise RuleError(f"{self.name}: {facts.__name__} has a rule already. Remove one of them.")
            self._rules[facts] = rule
            return rule

        return register

    def __contains__(self, facts: type) -> bool:
        return facts in self._rules

    def __iter__(self) -> Any:
        return iter(self._rules)

    def replace(self, facts: type, rule: Rule) -> Rule:
        """Put `rule` in the place of the registered one and return that; how a test plants a fault."""
        previous = self.of(facts)
        self._rules[facts] = rule
        return previous

    def remove(self, facts: type) -> None:
        """Forget the rule of `facts`, if there is one."""
        self._rules.pop(facts, None)

    def all(self) -> dict[type, Rule]:
        """A copy of the table."""
        return dict(self._rules)

    def restore(self, rules: dict[type, Rule]) -> None:
        """Make the table what it was when `all` gave that copy."""
        self._rules = dict(rules)

    def of(self, facts: type) -> Rule:
        """The rule of `facts`. Raises RuleError that lists what exists."""
        if facts in self._rules:
            return self._rules[facts]
        if self._falls_back_to is not None:
            return self._falls_back_to.of(facts)
        known = ", ".join(sorted(cls.__name__ for cls in self._rules)) or "none"
        raise RuleError(
            f"{self.name}: no rule for {facts.__name__}. Existing: {known}. Register one with @{self.name}."
        )


# rule(layer, r, *x) -> y: the definition, which belongs to neither side and judges both; see harness/spec/reference.py.
reference_rule = RuleTable("reference_rule")
# rule(layer, j, *x) -> y
jax_rule = RuleTable("jax_rule")
# As jax_rule, where evaluation differs from training (running statistics).
jax_eval_rule = RuleTable("jax_eval_rule", falls_back_to=jax_rule)
# rule(layer, h, *x) -> (y, saved): `saved` is whatever the backward rule needs.
hlo_forward = RuleTable("hlo_forward")
# rule(layer, h, saved, dy) -> one cotangent for each input; parameter gradients go to h.grad(name, value).
hlo_backward = RuleTable("hlo_backward")
# rule(layer, h, *x) -> y, where evaluation differs from training.
hlo_eval_rule = RuleTable("hlo_eval_rule")

# rule(loss, np, logits, labels, smoothing) -> scalar loss
reference_loss = RuleTable("reference_loss")
# rule(loss, j, logits, labels, smoothing) -> scalar loss
jax_loss = RuleTable("jax_loss")
# rule(loss, h, logits, labels, smoothing) -> (scalar loss, dlogits)
hlo_loss = RuleTable("hlo_loss")

# rule(optimizer, np, g, slots, t) -> (step direction, new slots): p moves by -lr times the direction.
reference_optimizer = RuleTable("reference_optimizer")
# rule(optimizer, j, g, slots, t) -> (step direction, new slots): p moves by -lr times the direction.
jax_optimizer = RuleTable("jax_optimizer")
hlo_optimizer = RuleTable("hlo_optimizer")


class RulesOfNow:
    """Both sides' rules as they are when this is made, to emit by them later, whatever the tables hold by then."""

    def __init__(self) -> None:
        phase2 = [jax_rule, jax_eval_rule, jax_loss, jax_optimizer]
        phase3 = [hlo_forward, hlo_backward, hlo_eval_rule, hlo_loss, hlo_optimizer]
        self._tables = {table: table.all() for table in phase2 + phase3}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The tables hold these rules inside."""
        others = {table: table.all() for table in self._tables}
        for table, rules in self._tables.items():
            table.restore(rules)
        try:
            yield
        finally:
            for table, rules in others.items():
                table.restore(rules)
