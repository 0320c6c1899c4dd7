"""Fields of spec objects: the kinds that they have, the check of their values, and their JSON form."""

import dataclasses
import math
from types import UnionType
from typing import Any, Literal, get_origin, get_type_hints

from harness.errors import SpecError
from harness.spec.network_file import class_name

# A number for both axes of an image, or one for H and one for W.
Pair = int | tuple[int, int]
# By name, or in pixels on both sides of an axis.
Padding = Literal["SAME", "VALID"] | Pair

# Metadata of a field that the JSON form leaves out at its default: a network that says nothing of it keeps its digest.
SAID_OFF_DEFAULT = {"said": "off default"}


def check_fields(facts: object) -> None:
    """Raise SpecError when a field is not of its declared type: a count that is no whole number, a class for an object.

    Numbers must be finite; a whole number does for a real one, a truth value for neither.
    """
    assert dataclasses.is_dataclass(facts)
    declared = get_type_hints(type(facts))  # also where a module's annotations are text
    for field in dataclasses.fields(facts):
        value, kind = getattr(facts, field.name), declared[field.name]
        if kind is float:
            require(field.name, value, _is_finite(value), "a finite number")
        elif kind is int:
            require(field.name, value, type(value) is int, "a whole number")
        elif kind == Pair:
            require(field.name, value, _is_pair(value), "a whole number or two of them for H and W, such as (3, 1)")
        elif kind == Padding:
            holds = value in ("SAME", "VALID") or _is_pair(value)
            require(field.name, value, holds, '"SAME", "VALID", or pixels: a whole number or two of them for H and W')
        elif (origin := get_origin(kind)) is not Literal:
            kinds = kind if origin in (None, UnionType) else origin
            require(field.name, value, isinstance(value, kinds), f"{getattr(kind, '__name__', kind)}")


def _is_finite(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _is_pair(value: object) -> bool:
    of_both = isinstance(value, tuple) and len(value) == 2 and all(type(n) is int for n in value)
    return type(value) is int or of_both


def describe(value: object) -> Any:
    """The JSON form of a spec object: dataclasses become objects that name their class in `is`.

    A pair of equal numbers is written as the number.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        document: dict[str, Any] = {"is": class_name(type(value))}
        declared = get_type_hints(type(value))
        for field in dataclasses.fields(value):
            content = getattr(value, field.name)
            if declared[field.name] in (Pair, Padding) and isinstance(content, tuple) and content[0] == content[1]:
                content = content[0]
            if field.metadata != SAID_OFF_DEFAULT or content != field.default:
                document[field.name] = describe(content)
        return document
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    return value


def require(name: str, found: object, holds: bool, expected: str) -> None:
    """Raise SpecError that names a field, what it has and what it should have, unless that `holds`."""
    if not holds:
        raise SpecError(f"{name} is {found!r}, expected {expected}.")
