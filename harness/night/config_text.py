"""Writes the configuration of a night as text, for a host that runs a part of it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from harness.night.config import NightConfig


def config_text(config: NightConfig) -> str:
    """The TOML of a configuration, which `parse_config` reads back as what it was."""
    given: dict[str, Any] = msgspec.to_builtins(config)
    tables = {name: given.pop(name) for name in ("verify", "check")}
    lines = list(_lines(given))
    for name, rows in tables.items():
        for row in rows:
            lines += ["", f"[[{name}]]", *_lines(row)]
    return "\n".join(lines) + "\n"


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name} = {_value(value)}" for name, value in table.items() if value is not None)


def _value(value: Any) -> str:
    """A value of TOML, which takes strings, numbers and lists as JSON has them. TOML wants a delete escaped."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
