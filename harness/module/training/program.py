"""Trains a network with a module's step: `python -m harness.module.training.program STEP.toml --model MODEL … DATA`.

It obeys the environment contract as any external pipeline does (docs/extending.md). In f64 the step is widened and runs
on XLA, the only executor that has every operation in f64.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from harness.errors import ContractError, EmitError, HarnessError
from harness.module.executors import EXECUTORS, REFERENCE
from harness.module.training.device import compile_ahead, step_executor
from harness.module.training.pipeline import PREFIX, REFUSED
from harness.system.scratch import scratch

FAILED, WRONG = 1, 2  # exit codes: the system or the device does not let it go on; what it was given makes no sense


def main() -> NoReturn:
    """Train, or with --check only see whether module, step file and network fit, and what the compiler says."""
    code = 0
    try:
        _run(_arguments())
    except EmitError as error:
        code = _say(str(error), REFUSED)
    except HarnessError as error:
        code = _say(str(error), WRONG)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        code = _say(f"{place}{error.strerror or error}", FAILED)
    except KeyboardInterrupt:
        code = _say("interrupted", 130)
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that has both run times loaded may crash in their destructors, after its work is done.
    os._exit(code)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.module.training.program")
    parser.add_argument("step", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--on", default=REFERENCE.name, choices=sorted(EXECUTORS))
    parser.add_argument("--name", default="module")
    parser.add_argument("--check", action="store_true")
    return parser.parse_intermixed_args()


def _run(given: argparse.Namespace) -> None:
    executor = step_executor(given.on)
    os.environ.update({**REFERENCE.environment, **executor.environment})
    from harness.module.training.binding import load_step  # here, because JAX reads the environment when it is imported
    from harness.module.training.texts import step_texts
    from harness.spec.models import load_model

    step = load_step(given.step, load_model(given.model, batch=given.batch, image_size=given.image_size))
    if given.check:
        compile_ahead(executor, step_texts(step, "f32").texts)
        return
    if given.data is None:
        raise ContractError("the data folder is missing. Give it as the last argument.")
    from harness.module.training.loop import train

    with scratch() as folder:
        train(step, executor, given.data, given.name, folder)


def _say(line: str, code: int) -> int:
    print(PREFIX + " ".join(line.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
