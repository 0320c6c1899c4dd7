"""Python expressions as text that knows how tightly it binds, and numbers that have a name."""

from dataclasses import dataclass

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)


@dataclass(frozen=True)
class Expr:
    """A Python expression and how tightly its outermost operator binds."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses when it binds less tightly than `level`."""
        return self.text if self.level >= level else f"({self.text})"

    def __str__(self) -> str:
        return self.text


class Hyperparameter(float):
    """A number that a program states once, at its top, and calls by its name everywhere else."""

    name: str

    def __new__(cls, name: str, value: float) -> "Hyperparameter":
        number = super().__new__(cls, value)
        number.name = name
        return number


Operand = Expr | float
