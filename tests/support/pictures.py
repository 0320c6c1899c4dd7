"""A tiny archive in the layout of Imagenette, its pictures made here."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ["n01440764", "n02102040", "n02979186"]


def write_archive(folder: Path, train: int = 8, test: int = 3, size: tuple[int, int] = (70, 50)) -> Path:
    """`train` and `test` pictures a class, `size` wide and high, the last ones of each class grey."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", test)):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
                picture = Image.fromarray(coarse).resize(size).convert("L" if i == count - 1 else "RGB")
                picture.save(folder / split / name / f"{name}_{i}.JPEG")
    return folder
