"""Repositories that hold a harness: this one's code, or a few lines that behave like it or do not."""

import shutil
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.repositories import commit, new_repository

# What `harness run` of a revision does, with the words that it was given in `words`.
_FAKE = """
import sys
words = sys.argv[1:]
if words[1:] == ["--help"]:
    print("  --pipeline NAME\\n  --backend NAME\\n  --steps N\\n  --batch N\\n  --data FOLDER\\n  --out FOLDER")
    sys.exit({help_code})
{run}
"""


def own_code(root: Path) -> Path:
    """A repository whose first revision, `same`, is the code that runs the tests."""
    new_repository(root)
    for name in ("harness", "specs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    commit(root, "same")
    return root


def fake_code(root: Path, run: str = "", help_code: int = 0, package: str = "") -> Path:
    """A repository whose revision `v1` has a harness of a few lines. `run`: what it does when it is to run a cell."""
    new_repository(root)
    for name, text in (
        ("harness/__init__.py", package),
        ("harness/cli.py", ""),
        ("harness/__main__.py", _FAKE.format(run=run, help_code=help_code)),
        ("specs/__init__.py", ""),
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    commit(root, "v1")
    return root
