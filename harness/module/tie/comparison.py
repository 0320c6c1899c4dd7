"""The gradients of a step and those of a loss, read, computed, and compared tensor by tensor."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from harness.module.load import StableModule
from harness.module.measure import difference
from harness.module.task import Array
from harness.module.tie.explanations import TensorPair, explanations
from harness.module.tie.function import LossFunction
from harness.module.tie.reading import GradientReader
from harness.module.tie.runs import TieRuns, widened
from harness.module.tie.slots import TiedParameter
from harness.module.tie.words import F64_ROUNDING, SLACK, Tie, TiedTensor, distance, scales

_F64 = 2.0**-52
_MOST_CLASSES = 100  # for which a loss is computed of each
Further = Callable[["GradientComparison", Sequence[TensorPair]], list[str]]


class GradientComparison:
    """What the steps of a tie share."""

    def __init__(
        self,
        module: StableModule,
        loss: LossFunction,
        parameters: Sequence[TiedParameter],
        reader: GradientReader,
        arguments: Sequence[Array],
        runs: TieRuns,
        further: Further = lambda comparison, pairs: [],
    ) -> None:
        self.module, self.loss, self.parameters, self.reader, self.runs = module, loss, parameters, reader, runs
        self.base, self.moved = reader.base(arguments), reader.moved(arguments)
        self.further = further
        self.notes: list[str] = []

    def tie(self) -> Tie:
        names = [parameter.name for parameter in self.parameters]
        based = self.runs.shaken(self.module, self.base)
        moved = self.runs.shaken(self.module, self.moved) if self.reader.needs_moved else [None] * len(based)
        betas = self.reader.betas(based[0], moved[0]) if moved[0] is not None else {}
        members = [
            self._read(one, other, self.reader.betas(one, other) if other is not None else {})
            for one, other in zip(based, moved, strict=True)
        ]
        wide = self.gradients(wide=True)
        found = [wide[1][name] for name in names]
        factor = self._unknown_rate(members[0], found)
        members = self._without_beta([[array / factor for array in member] for member in members], found)
        mine = members[0]
        sizes = scales(mine, found)
        allowed = [
            self._allowed(index, [member[index] for member in members], size, factor)
            for index, size in enumerate(sizes)
        ]
        errors = [distance(one, other) / size for one, other, size in zip(mine, found, sizes, strict=True)]
        apart = any(not error <= most for error, most in zip(errors, allowed, strict=True))
        # What differs in f64 is no question of precision.
        ratios = [math.nan] * len(names) if apart else self._ratios(betas, factor)
        sources = {source.parameter.name: self._told(source.source, source.result) for source in self.reader.sources}
        rows = [TiedTensor(name, sources[name], errors[i], allowed[i], ratios[i]) for i, name in enumerate(names)]
        told: list[str] = []
        if apart:
            pairs = self._pairs(mine, found, sizes, allowed)
            told, whole = explanations(pairs, self._numbers(betas))
            told = told if whole else self.further(self, pairs) or told
        rows += self._loss_row(based, wide[0])
        if moved[0] is not None and self.reader.rate is not None:
            unmoved = self._unmoved(moved[0])
            rows += unmoved[0]
            told += unmoved[1]
        self._say_how(betas)
        return Tie(str(self.module.path), self.loss.shown, tuple(rows), tuple(told), tuple(self.notes))

    def _read(self, base: list[Array], moved: list[Array] | None, betas: dict[str, float]) -> list[Array]:
        still = moved if self.reader.rate is not None else None
        read = self.reader.gradients(base, still, betas, self.base)
        return [read[parameter.name] for parameter in self.parameters]

    def gradients(
        self,
        *,
        wide: bool = True,
        loss: LossFunction | None = None,
        given: Sequence[Array] = (),
        every: tuple[int, int] | None = None,
    ) -> tuple[float, dict[str, Array]]:
        """Loss and gradients of the function, by parameter, in f64 or as they are in f32.

        `loss`: another function of the same arguments; `given`: other arguments; `every`: as in `lowered`.
        """
        asked = loss or self.loss
        given = [(given or self.base)[number] for number in asked.numbers]
        text = asked.lowered(self.module, wide=wide, every=every)
        shown = f"{asked.shown} in {'f64' if wide else 'f32'}"
        value, *grads = self.runs.once(shown, text, "main", widened(given) if wide else given)
        by_number = {asked.numbers[position]: g for position, g in zip(asked.differentiated, grads, strict=True)}
        return float(value), {one.name: np.asarray(by_number[one.argument], np.float64) for one in self.parameters}

    def _unknown_rate(self, mine: Sequence[Array], found: Sequence[Array]) -> float:
        """The rate of a step that has it as a constant, read off the updates: they tell gradients up to this factor."""
        updates = any(source.source == "update" for source in self.reader.sources)
        if not updates or self.reader.rate_value is not None:
            return 1.0
        own, other = (np.concatenate([array.ravel() for array in arrays]) for arrays in (mine, found))
        factor = float(own @ other / (other @ other)) if np.any(other) else 1.0
        self.notes.append(
            f"The rate is no argument. Updates are {factor:.6g} of the gradients, which was taken for the rate: a "
            "common factor, such as that of a summed loss, is not seen. Give the rate with --rate."
        )
        return factor or 1.0

    def _without_beta(self, members: list[list[Array]], found: Sequence[Array]) -> list[list[Array]]:
        """First moments hold (1 - b1) g, and whether 1 - b1 is that of an f32 or of a decimal is no matter.

        A common factor that other roundings of the constants explain is taken out, so that it hides nothing else.
        """
        other = np.concatenate([array.ravel() for array in found])
        if {source.source for source in self.reader.sources} != {"first moment"} or not np.any(other):
            return members
        stacked = [np.concatenate([array.ravel() for array in member]) for member in members]
        factors = [float(own @ other / (other @ other)) for own in stacked]
        spread = max(abs(factor - factors[0]) for factor in factors[1:])
        if not 0.0 < abs(factors[0] - 1.0) <= SLACK * spread:
            return members
        if abs(factors[0] - 1.0) > F64_ROUNDING:
            self.notes.append(
                f"A common factor of 1 {factors[0] - 1.0:+.1e} is taken out, which "
                "the rounding of b1 and 1 - b1 explains."
            )
        return [[array / factor for array in member] for member, factor in zip(members, factors, strict=True)]

    def _unmoved(self, moved: Sequence[Array]) -> tuple[list[TiedTensor], list[str]]:
        """Parameters that move at a rate of 0, and how."""
        rows, told = [], []
        for parameter in self.parameters:
            old = np.asarray(self.base[parameter.argument], np.float64).ravel()
            move = np.asarray(moved[parameter.result], np.float64).ravel() - old
            size = float(np.linalg.norm(old)) or 1.0
            error = float(np.linalg.norm(move)) / size
            if error > F64_ROUNDING:
                rows.append(TiedTensor(f"{parameter.name} at a rate of 0", "new - old", error, F64_ROUNDING))
                share = -float(move @ old) / size**2
                if np.linalg.norm(move + share * old) <= F64_ROUNDING * size:
                    told.append(
                        f"{parameter.name} loses {share:.6g} of itself at a rate of 0, weight decay beside the rate"
                    )
        return rows, told

    def _allowed(self, index: int, members: Sequence[Array], size: float, factor: float) -> float:
        """Relative: rounding in f64, and other roundings of the module's constants."""
        moved = max(distance(member, members[0]) for member in members[1:])
        source = self.reader.sources[index]
        absorbed = 0.0
        if source.source == "update":  # of which the parameter hides the last digits
            weight = np.linalg.norm(np.asarray(self.base[source.parameter.argument], np.float64).ravel())
            absorbed = float(_F64 * weight / abs(factor * (self.reader.rate_value or 1.0)))
        return F64_ROUNDING + SLACK * (moved + absorbed) / size

    def _ratios(self, betas: dict[str, float], factor: float) -> list[float]:
        """Of the difference in f32 over what rounding does."""
        noisy = self.runs.noisy(self.module, self.base)
        single = self.runs.once(f"{self.module.path} in f32", self.module.text, self.module.function, self.base)
        function = self.gradients(wide=False)[1]

        def read(results: list[Array]) -> list[Array]:
            # In f32 the difference of two new values would be all rounding: what stays at a rate of 0 is the old one.
            found = self.reader.gradients(results, None, betas, self.base)
            return [found[parameter.name] / factor for parameter in self.parameters]

        members = [read(results) for results in noisy]
        mine = read(single)
        ratios = []
        for i, parameter in enumerate(self.parameters):
            spread = max(difference(member[i], members[0][i]).norm for member in members[1:])
            apart = difference(mine[i], function[parameter.name]).norm
            ratios.append(apart / spread if spread else 0.0 if not apart else float("inf"))
        return ratios

    def _pairs(
        self, mine: Sequence[Array], found: Sequence[Array], sizes: Sequence[float], allowed: Sequence[float]
    ) -> list[TensorPair]:
        uniform = self._uniform()
        return [
            TensorPair(
                name=parameter.name,
                shape=mine[i].shape,
                module=mine[i].ravel(),
                function=found[i].ravel(),
                parameter=np.asarray(self.base[parameter.argument], np.float64).ravel(),
                tolerance=2.0 * allowed[i] * sizes[i],
                uniform=None if uniform is None else uniform[parameter.name].ravel(),
            )
            for i, parameter in enumerate(self.parameters)
        ]

    def _uniform(self) -> dict[str, Array] | None:
        """The function's gradients with all classes equally likely: a cross-entropy is linear in its labels."""
        for position, number in enumerate(self.loss.numbers):
            role, kind = self.module.arguments[number].role, self.module.arguments[number].type
            if role == "one-hot" and len(kind.shape) == 2:
                given = list(self.base)
                given[number] = np.full_like(given[number], 1.0 / kind.shape[-1])
                return self.gradients(given=given)[1]
            if role == "labels" and 0 < self.module.classes.get(number, 0) <= _MOST_CLASSES:
                return self.gradients(every=(position, self.module.classes[number]))[1]
        return None

    def _numbers(self, betas: dict[str, float]) -> dict[str, float]:
        """Numbers that a factor may be."""
        numbers = {"one": 1.0, "two": 2.0}
        for number in self.loss.numbers:
            argument = self.module.arguments[number]
            if argument.role == "images" and argument.type.shape:
                numbers["the batch"] = float(argument.type.shape[0])
            if argument.role == "one-hot" and argument.type.shape:
                numbers["the number of classes"] = float(argument.type.shape[-1])
            if argument.role == "labels" and number in self.module.classes:
                numbers["the number of classes"] = float(self.module.classes[number])
        beta = next(iter(betas.values()), None)
        if beta is not None:
            numbers["1 - b1"] = 1.0 - beta
        return numbers

    def _loss_row(self, based: Sequence[list[Array]], value: float) -> list[TiedTensor]:
        number = self.module.loss
        if number is None:
            return []
        losses = [float(results[number]) for results in based]
        size = max(abs(losses[0]), abs(value)) or 1.0
        moved = max(abs(other - losses[0]) for other in losses[1:])
        return [
            TiedTensor(
                "loss",
                self.module.results[number].name,
                abs(losses[0] - value) / size,
                F64_ROUNDING + SLACK * moved / size,
            )
        ]

    def _told(self, source: str, result: int) -> str:
        name = self.module.results[result].name
        if source == "update":
            argument = "" if self.reader.rate is None else f" / {self.module.arguments[self.reader.rate].name}"
            return f"(old - {name}){argument}"
        return f"{name} / (1 - b1)" if source == "first moment" else name

    def _say_how(self, betas: dict[str, float]) -> None:
        kinds = {source.source for source in self.reader.sources}
        if "first moment" in kinds:
            beta = sorted({round(value, 6) for value in betas.values()})
            told = ", ".join(f"{value:g}" for value in beta)
            self.notes.append(
                f"Gradients were read off Adam's first moments, fed with zeros: b1 m + (1 - b1) g. b1 is {told}, read "
                "by feeding ones."
            )
        if "velocity" in kinds:
            self.notes.append("Gradients were read off velocities, fed with zeros: momentum v + g.")
        if "update" in kinds and self.reader.rate is not None:
            self.notes.append(
                f"Gradients were read off updates, by feeding a rate of 0 and of {self.reader.rate_value:g}."
            )
        if "result" in kinds:
            self.notes.append("Gradients are results of the module.")
