"""Digests of the words of a parameter: as specified, and what two of them tell."""

import hashlib
import struct

import numpy as np
import pytest

from harness.trace.words import word_weights, words_apart, words_digest

X = np.array([[1.0, -2.5, 0.0], [3e-39, 7.0, -0.0]], np.float32)


def by_the_specification(name: str, values: list[float]) -> str:
    """traces/README.md, Words, in whole numbers."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    total = 0
    for i, value in enumerate(values, 1):
        z = (seed + i * 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        (word,) = struct.unpack("<I", struct.pack("<f", value))
        total += (z ^ (z >> 31)) * word
    return f"{total % 2**64:016x}"


def moved(*places: tuple[int, int]) -> str:
    """The digest of a tensor of 1000 ones of which some words are a number of ulps off."""
    words = np.full(1000, 1.0, np.float32).view(np.uint32)
    for place, ulps in places:
        words[place] = int(words[place]) + ulps
    return words_digest("w", words.view(np.float32))


def test_a_digest_is_as_specified() -> None:
    for name in ("conv1.w", "b"):
        assert words_digest(name, X) == by_the_specification(name, X.ravel().tolist())
    assert words_digest("conv1.w", X) == "db36fb116e7c0060"


def test_a_digest_differs_where_one_bit_does() -> None:
    again = X.copy()
    again[1, 2] = 0.0  # for -0.0
    assert words_digest("w", again) != words_digest("w", X)
    assert words_digest("w", X[:, ::-1]) != words_digest("w", X)


@pytest.mark.parametrize(
    ("places", "count"),
    [
        ([(0, 1)], 1),
        ([(999, -1)], 1),
        ([(3, 1), (500, -1)], 2),
        ([(3, 1), (500, 1)], 2),
        ([(7, 2)], None),
        ([(7, 3)], None),
        ([(1, 1), (2, 1), (3, -1)], None),
    ],
)
def test_words_that_are_off_by_one_are_counted(places: list[tuple[int, int]], count: int | None) -> None:
    assert words_apart("w", moved(), moved(*places), 1000) == count


def test_weights_are_those_of_the_generator_from_the_name() -> None:
    weights = word_weights("w", 100_000)
    assert len(set(weights.tolist())) == 100_000
    assert (word_weights("v", 100_000) != weights).all()
