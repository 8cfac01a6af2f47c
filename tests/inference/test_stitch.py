"""Blocks: the cores cover a frame once, and objects that cross them are one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.inference.stitch import ZONE, crop_to_core, merge, plan_blocks
from napari_scribe.recipe import ObjectsTarget
from napari_scribe.samples import nuclei
from napari_scribe.targets.distance import DistanceEncoding
from napari_scribe.windows import relative_to

shapes = st.lists(st.integers(1, 90), min_size=2, max_size=3)


def stitched(frame: np.ndarray, side: int, margin: int, decode: Any = None) -> tuple[Any, int]:
    """A frame decoded block by block; `decode` sees the window of a block."""
    counts, found, cores = {}, {}, []
    for block in plan_blocks(frame.shape, side, margin):
        labels = decode(block.window) if decode else ndimage.label(frame[block.window])[0]
        core, counts[block.index], found[block.index] = crop_to_core(labels, block, frame.shape)
        cores.append((block, core))
    tables, n = merge(counts, lambda index, name: found[index][name])
    result = np.zeros(frame.shape, np.int32)
    for block, core in cores:
        result[block.core] = tables[block.index][core]
    return result, n


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two labellings differ in their numbers alone."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T
    return all(len(np.unique(column)) == len(pairs) for column in pairs.T)


@given(shapes, st.integers(9, 60), st.integers(0, 40))
def test_cores_cover_a_frame_once(shape: list[int], side: int, margin: int):
    times = np.zeros(shape, int)
    for block in plan_blocks(shape, side, margin):
        times[block.core] += 1
        window = np.zeros(shape)[block.window]
        assert window[relative_to(block.core, block.window)].shape == times[block.core].shape
    assert (times == 1).all()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(20, 60))
def test_objects_smaller_than_the_margin_are_as_in_the_whole(seed: int, side: int):
    rng = np.random.default_rng(seed)
    frame = np.zeros((130, 110), bool)
    for y, x in rng.integers(0, 110, (40, 2)):
        frame[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = True
    whole, n = ndimage.label(frame)
    sizes = [max(s.stop - s.start for s in box) for box in ndimage.find_objects(whole)]
    margin = max(ZONE, *sizes)
    result, n_found = stitched(frame, side, margin)
    assert n_found == n
    assert same_partition(result, whole)
    assert sorted(set(result.ravel().tolist())) == list(range(n + 1))


def test_an_object_through_many_blocks_is_one():
    frame = np.zeros((200, 200), bool)
    frame[95:105] = frame[:, 95:105] = True
    result, n = stitched(frame, side=32, margin=16)
    assert n == 1
    assert (result == frame).all()


def test_touching_objects_stay_apart():
    truth = np.zeros((60, 200), np.int32)
    for i in range(20):
        truth[10:50, 10 * i : 10 * i + 10] = i + 1
    result, n = stitched(truth, 32, 16, lambda window: truth[window])
    assert n == 20
    assert same_partition(result, truth)


def test_an_empty_frame():
    result, n = stitched(np.zeros((70, 50), bool), 32, 16)
    assert n == 0 and not result.any()


@pytest.mark.parametrize(
    ("shape", "side", "margin"), [((400, 300), 96, 48), ((40, 90, 90), 40, 20)]
)
def test_nuclei_are_found_as_in_the_whole(shape: tuple[int, ...], side: int, margin: int):
    """With the real decoding: touching nuclei, cut by many faces."""
    truth = nuclei(shape, seed=2).truth
    encoding = DistanceEncoding(ObjectsTarget())
    encoded = encoding.encode(np.where(truth > 0, truth + 1, 1), np.zeros(shape, bool))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, (2, *shape)).astype(np.float32)
    foreground, distance = np.clip(encoded.values + noise, 0, 1)[:, np.newaxis]

    def decode(window: Any = ()) -> np.ndarray:
        at = (slice(None), *window)
        return encoding.decode({"foreground": foreground[at], "distance": distance[at]}, {})

    result, n = stitched(truth, side, margin, decode)
    whole = decode()
    assert n == whole.max()
    assert evaluate(result, whole).ap[-1] == 1  # every object matched at IoU .95
