"""The generator against a slow reference, the published digests, and the file's errors."""

import hashlib
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.initial_parameters import draw, initial_parameters, read_init, write_init
from harness.errors import ContractError, SpecError


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]
    init: str
    fan_in: int | None = None


def dense(name: str, inputs: int, units: int) -> list[Tensor]:
    return [Tensor(f"{name}.w", (inputs, units), "he_normal", inputs), Tensor(f"{name}.b", (units,), "zeros")]


def conv_bn(name: str, inputs: int, outputs: int) -> list[Tensor]:
    return [
        Tensor(f"{name}.w", (outputs, inputs, 3, 3), "he_normal", 9 * inputs),
        Tensor(f"{name}.gamma", (outputs,), "ones"),
        Tensor(f"{name}.beta", (outputs,), "zeros"),
    ]


MLP = dense("dense0", 784, 512) + dense("dense1", 512, 512) + dense("dense2", 512, 10)
CNN = [
    *conv_bn("conv0", 1, 32),
    *conv_bn("conv1", 32, 32),
    *conv_bn("conv2", 32, 64),
    *conv_bn("conv3", 64, 64),
    *dense("dense4", 3136, 512),
    *dense("dense5", 512, 10),
]
DIGESTS = {
    "mnist_mlp": (MLP, 669_706, "478e27f1c3d201eebe295c680f720720ef9590e61f92459f257363d1b805604d"),
    "mnist_cnn": (CNN, 1_676_458, "6b6601532f656427f69e09e5bd659be8aaef6c537e0d69e8cd2cef96fc779ba5"),
}
EXPECTED_WORDS = [
    ("mnist_mlp", 0, "bd9b14e2 3d81de72 bc0a37d7"),
    ("mnist_mlp", 1_607_680, "3c0b0678 3dafc489 bbaac4f8"),
    ("mnist_cnn", 0, "bf34edb2 3f178385 bda14125"),
    ("mnist_cnn", 260_736, "bb7c006f bc76bc64 bb829f04"),
]


def nearest_f32(value: int) -> float:
    """An integer rounded to a 24-bit significand, ties to even, without any floating-point unit."""
    excess = max(0, value.bit_length() - 24)
    kept, rest = value >> excess, value & ((1 << excess) - 1)
    half = 1 << excess >> 1
    if excess and (rest > half or (rest == half and kept & 1)):
        kept += 1
    return float(kept << excess)


def f32(value: float) -> float:
    """Rounds an f64 to f32. Every operation rounded here is exact or innocuous to round twice in f64."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def reference(seed: int, n: int, scale: float) -> Iterator[float]:
    """The generator as it is specified, one value after the other."""
    state, factor = (seed + 1) % 2**64, f32(scale)
    for _ in range(n):
        acc = 0.0
        for _ in range(3):
            state ^= state << 13 & (2**64 - 1)
            state ^= state >> 7
            state ^= state << 17 & (2**64 - 1)
            acc = f32(acc + f32(nearest_f32(state) / 2**64 - 0.5))
        yield f32(f32(acc * 2) * factor)


seeds = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 42, 2**63, 2**64 - 2, 2**64 - 1]))
scales = st.floats(1e-6, 1e3)


@settings(deadline=None)
@given(seeds, st.integers(0, 300), scales)
def test_draw_equals_the_reference(seed: int, n: int, scale: float) -> None:
    assert draw(seed, n, scale).tolist() == list(reference(seed, n, scale))


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 2000), st.integers(1, 40), st.sampled_from([1, 2, 8]))
def test_lanes_and_blocks_do_not_show(seed: int, n: int, lanes: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.data.initial_parameters._LANES", lanes)
        patch.setattr("harness.data.initial_parameters._BLOCK", block)
        assert draw(seed, n, 0.1).tolist() == list(reference(seed, n, 0.1))


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_fewer_values_are_a_prefix(n: int, more: int) -> None:
    assert np.array_equal(draw(7, n + more, 0.3)[:n], draw(7, n, 0.3))


@given(st.integers(0, 2**64 - 1))
def test_u64_to_f32_rounds_to_nearest_even(word: int) -> None:
    assert float(np.array([word], np.uint64).astype(np.float32)[0]) == nearest_f32(word)


@pytest.mark.parametrize("tie", [(1 << 63) + (1 << 39), (1 << 63) + (3 << 39), 2**64 - 1, 2**24 + 1, 2**24 + 3])
def test_u64_ties_round_to_even_in_f32(tie: int) -> None:
    assert float(np.array([tie] * 9, np.uint64).astype(np.float32)[-1]) == nearest_f32(tie)


@pytest.mark.parametrize("model", DIGESTS)
def test_initial_parameters_have_the_published_digests(model: str, tmp_path: Path) -> None:
    table, total, expected = DIGESTS[model]
    path = tmp_path / "init.bin"
    started = time.monotonic()
    assert write_init(path, table) == expected
    assert time.monotonic() - started < 2
    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected
    assert path.stat().st_size == 4 * total
    assert read_init(path, total).shape == (total,)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("model", "offset", "words"), EXPECTED_WORDS)
def test_initial_parameters_have_the_published_words(model: str, offset: int, words: str, tmp_path: Path) -> None:
    path = tmp_path / "init.bin"
    write_init(path, DIGESTS[model][0])
    found = struct.unpack("<3I", path.read_bytes()[offset : offset + 12])
    assert " ".join(f"{word:08x}" for word in found) == words


def test_38_million_values_are_fast() -> None:
    started = time.monotonic()
    values = draw(42, 38_177_682, 0.1)
    assert time.monotonic() - started < 30
    assert values[:100].tolist() == list(reference(42, 100, 0.1))
    assert abs(float(values.mean(dtype=np.float64))) < 1e-4
    assert abs(float(values.std(dtype=np.float64)) - 0.1) < 1e-4


def test_seed_counts_only_tensors_that_draw() -> None:
    table = [
        Tensor("ones", (2,), "ones"),
        Tensor("first", (3, 5), "he_normal", 8),
        Tensor("zeros", (4,), "zeros"),
        Tensor("second", (5, 2), "he_normal", 2),
    ]
    ones, first, zeros, second = initial_parameters(table, init_seed=99)
    assert ones.tolist() == [1, 1] and zeros.tolist() == [0, 0, 0, 0]
    assert first.shape == (3, 5) and first.ravel().tolist() == list(reference(99, 15, 0.5))
    assert second.shape == (5, 2) and second.ravel().tolist() == list(reference(100, 10, 1.0))


def test_another_seed_gives_other_parameters(tmp_path: Path) -> None:
    assert write_init(tmp_path / "a", MLP, 42) != write_init(tmp_path / "b", MLP, 43)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ContractError, match=r"^init seed .* out of range"):
        draw(seed, 1, 1.0)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Tensor("conv1.w", (2,), "xavier", 2), "parameter 'conv1.w': unknown init 'xavier'"),
        (Tensor("conv1.w", (2,), "he_normal", 0), "parameter 'conv1.w': fan_in is 0"),
        (Tensor("conv1.w", (2,), "he_normal"), "parameter 'conv1.w': fan_in is None"),
    ],
)
def test_bad_tables_name_the_parameter(tensor: Tensor, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=message):
        write_init(tmp_path / "init.bin", [tensor])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "way"), [(0, "8 too short"), (7, "1 too short"), (9, "1 too long"), (4096, "4088 too long")]
)
def test_wrong_sizes_are_refused(size: int, way: str, tmp_path: Path) -> None:
    path = tmp_path / "init.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(ContractError) as caught:
        read_init(path, 2)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{path}: {size} bytes found, 8 expected for 2 parameters: {way}" in message


def test_an_absent_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nope.bin", tmp_path):
        with pytest.raises(ContractError, match=r"cannot be read: [^\n]*$"):
            read_init(path, 2)


@given(values=st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_read_gives_back_the_floats(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("init") / "init.bin"
    path.write_bytes(struct.pack(f"<{len(values)}f", *values))
    parameters = read_init(path, len(values))
    assert parameters.tolist() == values
    assert parameters.dtype == np.float32 and parameters.flags.writeable


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "init.bin"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ContractError, match="No space left on device"):
        write_init(path, dense("d", 2, 2))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("target", ["absent/init.bin", "."])
def test_an_impossible_target_is_one_line(target: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"cannot be written: [^\n]*$"):
        write_init(tmp_path / target, dense("d", 2, 2))


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    write_init(link, dense("d", 2, 2))
    assert link.is_symlink() and target.stat().st_size == 24


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ContractError, match="not a regular file"):
        write_init(pipe, dense("d", 2, 2))
    assert pipe.is_fifo()
