"""Crops and mirror images: what the harness and the emitted script do, against the specification example by example."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.augment import augment
from harness.emit.jax_script import emit_jax_script
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions
from tests.support.programs import script_module
from tests.support.tiny_programs import CONFIG, GRAPH, picture_graph

AUGMENTED = replace(CONFIG, augment=True)
SCRIPT = script_module(
    emit_jax_script(
        picture_graph("cifar10", 32), AUGMENTED, "f32", Conventions(), command="test", rules=registered_rules()
    )
)


def word(counter: int) -> int:
    """Output number `counter` of SplitMix64 from seed 0."""
    z = (counter + 1) * 0x9E3779B97F4A7C15 % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def reference(image: np.ndarray, example: int, epoch: int) -> np.ndarray:
    """Pixel by pixel."""
    _, height, width = image.shape
    draw = word(epoch * 2**32 + example)
    down = draw % 2**16 % (2 * (height // 8) + 1) - height // 8
    right = (draw >> 16) % 2**16 % (2 * (width // 8) + 1) - width // 8
    result = np.zeros_like(image)
    for r in range(height):
        for c in range(width):
            row, column = r + down, (width - 1 - c if draw >> 32 & 1 else c) + right
            if 0 <= row < height and 0 <= column < width:
                result[:, r, c] = image[:, row, column]
    return result


def test_the_generator_is_splitmix64() -> None:
    """The first outputs from seed 0 as other implementations publish them."""
    assert [word(i) for i in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("program", [augment, SCRIPT.augment], ids=["phase3", "phase2"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 45, 45), (1, 7, 7)], ids=str)
def test_every_image_is_moved_as_specified(program: object, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(1).integers(1, 256, (16, *shape), dtype=np.uint8)
    examples, epoch = np.arange(16, dtype=np.int64) * 3001, 5
    kept = images.copy()
    moved = program(images, examples, epoch)
    assert np.array_equal(moved, [reference(*pair, epoch) for pair in zip(images, examples.tolist(), strict=True)])
    assert np.array_equal(images, kept)


@given(st.integers(0, 2**20), st.lists(st.integers(0, 2**31), min_size=1, max_size=9), st.integers(1, 70))
def test_both_programs_move_alike(epoch: int, examples: list[int], side: int) -> None:
    images = np.random.default_rng(epoch).integers(0, 256, (len(examples), 3, side, side), dtype=np.uint8)
    rows = np.array(examples, np.int64)
    assert np.array_equal(augment(images, rows, epoch), SCRIPT.augment(images, rows, epoch))


def test_what_is_drawn_is_spread_evenly() -> None:
    """Every place, mirrored or not, about as often as any other."""
    marked = np.zeros((20_000, 1, 32, 32), np.uint8)
    marked[:, 0, 15, 15] = 1
    rows, columns = np.nonzero(augment(marked, np.arange(20_000), 0)[:, 0])[1:]
    assert len(rows) == 20_000  # the middle never leaves the image
    counts = np.bincount(rows - 11, minlength=9)
    assert len(counts) == 9 and counts.min() > 2_000
    mirrored = np.bincount(columns - 11, minlength=10)
    assert len(mirrored) == 10 and 900 < mirrored[0] < 1_350 and mirrored[1:9].min() > 2_000


def test_epochs_and_examples_differ() -> None:
    images = np.random.default_rng(2).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    seen = {augment(images, np.array([example]), epoch).tobytes() for example in range(10) for epoch in range(10)}
    assert len(seen) > 60


def test_a_script_that_does_not_augment_does_not_say_so() -> None:
    plain = emit_jax_script(GRAPH, CONFIG, "f32", Conventions(), command="test", rules=registered_rules())
    assert "augment(" not in plain and "epoch=None" not in plain
