"""The modules that a training with a step runs: the step as it is or in f64, and what gradients are read off."""

from dataclasses import dataclass

from harness.module.training.binding import TrainingStep
from harness.module.training.decimals import DecimalWidener
from harness.module.training.gradients import GradientSource, gradient_source
from harness.spec.netspec import Arithmetic


@dataclass(frozen=True)
class StepTexts:
    """The modules of a step. `function`: of the step; `texts`: by function, that of the gradients among them."""

    function: str
    texts: dict[str, str]
    gradient: GradientSource | None


def step_texts(step: TrainingStep, dtype: Arithmetic, *, gradients: bool = True) -> StepTexts:
    """The modules of a step in a precision. `gradients`: whether any are wanted.

    Raises: ModuleError for what is not made anew in f64.
    """
    text, inlined, function = step.module.text, step.module.inlined, step.module.function
    if dtype == "f64":
        text = inlined = DecimalWidener().clone(text, function)
        function = "main"
    source = gradient_source(step, inlined, "main")
    texts = {function: text}
    if gradients and source is not None and source.text:
        texts[source.function] = source.text
    return StepTexts(function, texts, source)
