"""A file becomes a module: text, MLIR bytecode or portable artifact, with all that can be told without running it."""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import ModuleError, unknown
from harness.module.clone import Inliner
from harness.module.mlir import from_bytes, function_named, functions, ir, is_public, operations, parsed, symbol
from harness.module.refusals import Refusal, calls_itself, refusals, without_body
from harness.module.signature import (
    ELEMENTS,
    ModuleArgument,
    ModuleResult,
    TensorType,
    classes_of,
    guess_role,
    named_images,
    pair,
    reached_results,
    returned_names,
    takes_root,
    tensor_type,
    text_names,
)

_MAGIC = b"ML\xefR"
_NAMING = ("callee", "decomposition", "called_computations")  # attributes that name other functions
_SYMBOL = re.compile(r'@"?([\w.$-]+)')


@dataclass(frozen=True)
class StableModule:
    """One function of a module. `source`: the file as it was read.

    `text`: the function with those that it needs, in normal form; `inlined`: the function alone, `main`, without calls;
    `ops`: its operations by name; `classes`: for arguments of whole numbers, by number, how many values they may have.
    """

    path: Path
    source: bytes = field(repr=False)
    form: str
    text: str
    inlined: str
    function: str
    functions: tuple[str, ...]
    arguments: tuple[ModuleArgument, ...]
    results: tuple[ModuleResult, ...]
    ops: dict[str, int]
    classes: dict[int, int]
    refusals: tuple[Refusal, ...]

    @cached_property
    def operations(self) -> int:
        """Scalar operations of one call."""
        from harness.run.inprocess.reference_interpreter import operations  # here: a step that trains does without

        return operations(self.inlined, "main") if self.inlined else 0

    @property
    def loss(self) -> int | None:
        """Number of the only result that is a single number and no argument's new value; None where it is not so."""
        single = [i for i, result in enumerate(self.results) if not result.type.shape and result.type.is_float]
        return single[0] if len(single) == 1 else None


def load(path: Path, function: str | None = None) -> StableModule:
    """The module of a file. Without `function`: its only public one, or `main`.

    Raises: ModuleError where it does not parse or has no such function; OSError.
    """
    return loaded(path, path.read_bytes(), function)


def loaded(path: Path, content: bytes, function: str | None = None) -> StableModule:
    """The module of what a file holds, or would; `path` is for messages.

    Raises: ModuleError as `load`.
    """
    try:
        with from_bytes(content) as module:
            name = _choose(path, module, function)
            declared = without_body(module)
            if declared:
                raise ModuleError(f"{path}: function @{declared[0]} has no body. Write the module with all it calls.")
            recursive = calls_itself(module, name)
            if recursive is not None:
                raise ModuleError(f"{path}: function @{recursive} calls itself. Expected calls that come to an end.")
            refused = refusals(module, name)
            given = function_named(module, name)
            kinds = ir.FunctionType(ir.TypeAttr(given.attributes["function_type"]).value)
            _check_boundary(path, [*kinds.inputs, *kinds.results])
            titles = _result_names(given, len(kinds.results))
            located = [_location_name(argument) for argument in given.arguments]
            names = tuple(symbol(one) for one in functions(module))
            text = _alone(module, given)
    except ValueError as error:
        raise ModuleError(_parse_error(path, str(error))) from None
    form = "text"
    if content.startswith(_MAGIC):
        form = "portable artifact" if content[len(_MAGIC) :].lstrip(b"\r").startswith(b"StableHLO") else "bytecode"
    shown: list[str] = []
    if form == "text":
        shown = text_names(content.decode(errors="replace"), name)
        spoken = returned_names(content.decode(errors="replace"), name)
        if len(spoken) == len(titles):
            titles = [title or word for title, word in zip(titles, spoken, strict=True)]
    inlined = "" if refused else Inliner().clone(text, name)
    called = located if all(located) else shown
    arguments, results, classes = _signature(inlined or text, "main" if inlined else name, called, titles)
    return StableModule(
        path=path,
        source=content,
        form=form,
        text=text,
        inlined=inlined,
        function=name,
        functions=names,
        arguments=arguments,
        results=results,
        ops=_histogram(inlined or text, "main" if inlined else name),
        classes=classes,
        refusals=tuple(refused),
    )


def _alone(module: Any, function: Any) -> str:
    """The module without functions that one does not need: executors run it as `main`, which another may be called."""
    every = {symbol(one): one for one in functions(module)}
    needed = [symbol(function)]
    for name in needed:
        body = operations(every[name].regions[0].blocks[0])
        told = " ".join(str(op.attributes[key]) for op in body for key in _NAMING if key in op.attributes)
        needed += sorted({found for found in _SYMBOL.findall(told) if found in every} - set(needed))
    for name, one in every.items():
        if name not in needed:
            one.operation.erase()
    if not is_public(function):
        function.attributes["sym_visibility"] = ir.StringAttr.get("public")
    return str(module)


def _choose(path: Path, module: Any, function: str | None) -> str:
    every = [symbol(one) for one in functions(module)]
    if function is not None:
        if function not in every:
            raise ModuleError(f"{path}: {unknown('function', function, every)}")
        return function
    public = [symbol(one) for one in functions(module) if is_public(one)]
    if len(public) == 1 or "main" in public:
        return "main" if "main" in public else public[0]
    if not public:
        raise ModuleError(f"{path}: it has no public function. Expected a module with one, or choose with --function.")
    raise ModuleError(f"{path}: it has the functions {', '.join(public)}. Choose one with --function.")


def _check_boundary(path: Path, kinds: list[Any]) -> None:
    for kind in kinds:
        if not isinstance(kind, ir.RankedTensorType) or not kind.has_static_shape:
            raise ModuleError(f"{path}: an argument or result is a {kind}. Expected tensors of known shapes.")
        if str(kind.element_type) not in ELEMENTS:
            known = ", ".join(sorted(ELEMENTS))
            raise ModuleError(f"{path}: an argument or result is a {kind}. Expected elements of {known}.")


def _signature(
    text: str, function: str, names: list[str], titles: list[str]
) -> tuple[tuple[ModuleArgument, ...], tuple[ModuleResult, ...], dict[int, int]]:
    with parsed(text) as module:
        given = function_named(module, function)
        values = list(given.arguments)
        types = [tensor_type(value.type) for value in values]
        kinds = ir.FunctionType(ir.TypeAttr(given.attributes["function_type"]).value).results
        made = [tensor_type(kind) for kind in kinds]
        positive = [takes_root(value) for value in values]
        reached = [reached_results(value) for value in values]
        counts = {i: classes_of(value) for i, value in enumerate(values) if not types[i].is_float}
    if len(names) != len(types) or len(set(names)) != len(names):
        names = [f"arg{i}" for i in range(len(types))]
    pairs = pair(types, made, reached)
    back = {argument: result for result, argument in pairs.items()}
    arguments: list[ModuleArgument] = []
    named = any(named_images(name) for name in names)
    for i, (name, kind) in enumerate(zip(names, types, strict=True)):
        images = named or any(argument.role == "images" for argument in arguments)
        role = guess_role(name, kind, paired=i in back, positive=positive[i], images=images)
        arguments.append(ModuleArgument(name, kind, role, back.get(i), positive[i]))
    results = _results(made, pairs, arguments, titles)
    return tuple(arguments), results, {i: count for i, count in counts.items() if count}


def _results(
    types: list[TensorType], pairs: dict[int, int], arguments: list[ModuleArgument], titles: list[str]
) -> tuple[ModuleResult, ...]:
    single = [i for i, kind in enumerate(types) if not kind.shape and kind.is_float]
    results = []
    for i, kind in enumerate(types):
        name = titles[i] or f"result{i}"
        if i in pairs:
            name = f"new {arguments[pairs[i]].name}"
        elif single == [i] and not titles[i]:
            name = "loss"
        results.append(ModuleResult(name, kind, pairs.get(i)))
    return tuple(results)


def _result_names(function: Any, count: int) -> list[str]:
    """The names that JAX gives results."""
    if "res_attrs" not in function.attributes:
        return [""] * count
    named = [ir.DictAttr(one) for one in ir.ArrayAttr(function.attributes["res_attrs"])]
    return [ir.StringAttr(one["jax.result_info"]).value if "jax.result_info" in one else "" for one in named]


def _location_name(argument: Any) -> str:
    location = argument.location
    return str(location.name_str) if isinstance(location, ir.NameLoc) else ""


def _histogram(text: str, function: str) -> dict[str, int]:
    with parsed(text) as module:
        counts = Counter(op.name for op in operations(function_named(module, function).regions[0].blocks[0]))
    return {name: count for name, count in counts.most_common() if not name.endswith(".return")}


def _parse_error(path: Path, said: str) -> str:
    """The first error of a parser, with its place in the file."""
    found = re.search(r'error: (?:"-":(\d+):(\d+): )?(.*)', said)
    if found is None:
        return f"{path}: {said.splitlines()[0]}. Expected a StableHLO module: text, bytecode or a portable artifact."
    place = f":{found[1]}:{found[2]}" if found[1] else ""
    return f"{path}{place}: {found[3]}. Expected a StableHLO module: text, bytecode or a portable artifact."
