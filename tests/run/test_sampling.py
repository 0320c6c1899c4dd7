"""The states of a run that are looked at: how many, where, and without overlap."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from harness.run.sampling import STEPS, keep_steps, sample_parts, state_bytes
from harness.trace.parts import Part, format_parts, parse_parts
from harness.trace.state import read_state, write_state
from tests.support.tiny_programs import CONFIG, GRAPH

WHOLE, EPOCH = 5616, 468


def parts(steps: int, number: int = 16, grid: int = 8, whole: int = WHOLE, epoch: int = EPOCH) -> tuple[Part, ...]:
    found = sample_parts(steps, whole, epoch, grid, number)
    assert all(before.end <= after.first for before, after in itertools.pairwise(found))
    assert all(part.end <= whole + 1 for part in found)
    assert parse_parts(format_parts(found)) == found
    return found


def test_a_short_run_is_looked_at_where_it_ends() -> None:
    assert parts(4) == (Part(5, 0),)
    assert parts(8) == (Part(9, 0),)
    assert parts(9) == (Part(10, STEPS),)
    assert sample_parts(4, WHOLE, EPOCH, 8, 0) == ()


def test_a_run_within_an_epoch_is_sampled_evenly_in_the_logarithm() -> None:
    found = parts(400)
    assert len(found) == 16
    assert (found[0], found[-1]) == (Part(9, STEPS), Part(401, STEPS))
    gaps = [after.first - before.first for before, after in itertools.pairwise(found[:-1])]
    assert gaps == sorted(gaps)
    assert {(part.first - 1) % 8 for part in found} == {0}


def test_each_beginning_of_an_epoch_lies_within_a_part_if_there_is_room() -> None:
    found = parts(WHOLE)
    assert len(found) == 16
    assert found[-1] == Part(WHOLE + 1, 0), "there is no step left"
    for begin in range(1 + EPOCH, WHOLE, EPOCH):
        assert any({begin - 2, begin - 1, begin, begin + 1} <= set(part.steps) for part in found), begin
    longer = parts(15 * EPOCH, whole=15 * EPOCH)
    assert len(longer) == 16
    assert sum(part.count > STEPS for part in longer) == 12


@pytest.mark.parametrize("grid", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("epoch", [3, 5, 40])
@pytest.mark.parametrize("steps", [17, 39, 40, 80])
@pytest.mark.parametrize("number", [1, 2, 5, 16])
def test_parts_of_any_run_begin_where_there_are_states(grid: int, epoch: int, steps: int, number: int) -> None:
    found = parts(steps, number, grid, whole=80, epoch=epoch)
    assert 1 <= len(found) <= number
    assert all((part.first - 1) % grid == 0 for part in found[:-1])
    assert found[-1].first == steps + 1


def test_the_size_of_a_state_is_that_of_its_tensors(tmp_path: Path) -> None:
    shapes = {p.name: p.shape for p in GRAPH.params} | {s.name: s.shape for s in GRAPH.states}
    shapes |= {f"{p.name}.{slot}": p.shape for p in GRAPH.params for slot in CONFIG.optimizer.slots}
    write_state(tmp_path, 1, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, "f32")
    tensors = read_state(tmp_path / "1.safetensors")
    assert state_bytes(GRAPH, CONFIG) == sum(x.nbytes for x in tensors.values())


def test_states_are_kept_at_both_ends_of_segments() -> None:
    kept = keep_steps(WHOLE, EPOCH, 8, 24)
    assert len(kept) <= 24
    assert kept[-1] == WHOLE + 1
    starts = [step for step in kept[:-1] if min(step + 8, WHOLE + 1) in kept]
    assert len(starts) == 12
    assert set(kept) == {*starts, *(min(start + 8, WHOLE + 1) for start in starts)}
    assert keep_steps(4, EPOCH, 8, 4) == (5,)
    assert keep_steps(40, EPOCH, 8, 1) == (41,)
    assert keep_steps(40, EPOCH, 8, 0) == ()
