"""A spec object as the Python that makes it: what a reader pastes into a file of `specs/`."""

import dataclasses

from harness.spec.netspec import Layer


def as_code(value: object) -> str:
    """The constructor call, without fields at their defaults and without names that the network would give itself.

    `eval` of it, with the classes in reach, is an equal object.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _call(value)
    if isinstance(value, list | tuple) and any(dataclasses.is_dataclass(item) for item in value):
        lines = "".join(f"        {as_code(item)},\n" for item in value)
        return f"[\n{lines}    ]"
    return repr(value)


def _call(value: object) -> str:
    assert dataclasses.is_dataclass(value)
    arguments = []
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if content != field.default and not (field.name == "name" and isinstance(value, Layer)):
            arguments.append(f"{field.name}={as_code(content)}")
    body = ", ".join(arguments)
    if "\n" in body:
        body = "\n" + "".join(f"    {argument},\n" for argument in arguments)
    return f"{type(value).__name__}({body})"
