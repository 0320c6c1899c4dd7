"""A program that plays iree-compile."""

from pathlib import Path

import pytest


def use_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str = 'cp "$1" "$made"') -> Path:
    """A compiler whose module is its source, and the file that gets a line each time it runs.

    `body`: what it does in place of that; `$1` is the source, `$made` the module.
    """
    calls, script = folder / "calls", folder / "iree-compile"
    calls.touch()
    script.write_text(f"#!/bin/sh\necho run >> {calls}\nfor made; do :; done\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setattr("harness.run.compile.find_tool", lambda name: str(script))
    return calls
