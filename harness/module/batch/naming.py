"""The names of arguments and results in the text of a module made anew, where MLIR has only numbers for them."""

import json
import re
from typing import Any

from harness.module.load import StableModule

_NAME = re.compile(r"[A-Za-z_][\w$.-]*")
_TAKEN = re.compile(r"(arg|cst|c|true|false|iterArg)(_?\d+)?")  # MLIR's own names


def named_text(made: Any, module: StableModule) -> str:
    """The text of one function whose arguments and results are called as in the original.

    A result that is an argument's new value has its name from that one, and needs no other. Where an argument has a
    name that no value can have, as JAX's `p['w']`, all have theirs as locations, from which `load` takes them.
    """
    text = str(made)
    names = {f"arg{i}": argument.name for i, argument in enumerate(module.arguments)}
    returned = re.findall(r"^    (?:func\.)?return ([^:]*) :", text, re.MULTILINE)
    for value, result in zip(returned[-1].split(", ") if returned else (), module.results, strict=False):
        if result.argument is None and re.fullmatch(r"%\d+", value):
            names[value[1:]] = result.name
    # An operation of several results may have given its own names to them, as `%values` of a top_k.
    taken = set(re.findall(r"%([\w$.-]+)", text))
    new = [name for name in names.values() if _NAME.fullmatch(name) and not _TAKEN.fullmatch(name)]
    new = [name for name in new if name not in taken]
    usable = {old: name for old, name in names.items() if new.count(name) == 1}

    def renamed(found: re.Match[str]) -> str:
        return f"%{usable.get(found[1], found[1])}"

    text = re.sub(r"%([\w$.-]+)(?![\w$.#-]|:\d)", renamed, text)
    if all(_NAME.fullmatch(argument.name) for argument in module.arguments):
        return text
    signature = re.compile(r"(func\.func public @[^(]*\()(.*?)(?=\) ->)")

    def located(found: re.Match[str]) -> str:
        both = zip(found[2].split(", "), module.arguments, strict=True)
        return found[1] + ", ".join(
            f"{one} loc({json.dumps(argument.name, ensure_ascii=False)})" for one, argument in both
        )

    return signature.sub(located, text, count=1)
