"""The header of a trace that somebody else's loop writes, from what the loop tells."""

import math
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from harness.errors import TraceError
from harness.trace.format import ConfigTypes, TraceHeader, one_line
from harness.trace.spelling import usual_dtype


def make_header(facts: Mapping[str, Any]) -> TraceHeader:
    """The header of these keys, as whoever reads the trace will take it.

    Raises: TraceError for what a trace cannot hold, before a loop trains for hours and then cannot be read.
    """
    known = {field.name for field in msgspec.structs.fields(TraceHeader)}
    if wrong := sorted(set(facts) - known):
        raise TraceError(f"the header of a trace has no {', '.join(wrong)}; traces/README.md lists its keys.")
    try:
        where = "header"
        header = msgspec.convert({"kind": "header"} | dict(facts), TraceHeader)
        where = "config in the header"
        msgspec.convert(header.config, ConfigTypes)
        msgspec.json.encode(header)
    except msgspec.ValidationError as error:
        raise TraceError(f"{where} of the trace: {error}.") from None
    except UnicodeEncodeError as error:
        raise TraceError(f"header of the trace: {one_line(error.object)} is no text, expected UTF-8.") from None
    if header.epoch_steps == 0:
        raise TraceError("header of the trace: epoch_steps is 0, expected at least 1. Leave it out if it is not known.")
    return header


def config_of(config: Any) -> dict[str, Any]:
    """A configuration as JSON has it: numbers of any library are plain ones, paths are text, sets are sorted.

    Raises: TraceError for what JSON has no form of.
    """
    if not hasattr(config, "keys"):
        raise TraceError(f"config is of {type(config).__name__}, expected a mapping, such as vars(config).")
    found = {}
    for key in config.keys():  # noqa: SIM118 - some configurations are iterated otherwise
        try:
            text = msgspec.json.encode(config[key], enc_hook=_plain, order="deterministic")
        except (TypeError, ValueError, RecursionError):
            told = f"config has {one_line(repr(key))} of {type(config[key]).__name__}"
            raise TraceError(f"{told}, expected what JSON can hold. Give it as text or leave it out.") from None
        found[key] = msgspec.json.decode(text)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    raise TypeError


def told_by(tensors: Mapping[str, Any], dtype: str | None) -> dict[str, Any]:
    """What the parameters tell the header."""
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}
    if dtype is None and len(kinds) == 1:
        dtype = kinds.pop()
    dtype = usual_dtype(dtype) if isinstance(dtype, str) else dtype
    return {"total_params": sum(math.prod(tensor.shape) for tensor in tensors.values()), "dtype": dtype}
