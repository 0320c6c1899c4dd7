"""The cache: a folder for everything that can be made or fetched again."""

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """HARNESS_CACHE, else the platform's user cache."""
    own = os.environ.get("HARNESS_CACHE")
    return Path(own).absolute() if own else Path(platformdirs.user_cache_dir("training-trace-harness", appauthor=False))
