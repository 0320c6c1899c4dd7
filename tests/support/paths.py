"""Where things lie in the repository that these tests are part of."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
