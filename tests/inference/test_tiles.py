"""Where tiles lie, by property."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scribe.inference.tiles import Tile, mirrored, plan_tiles
from napari_scribe.networks import Geometry

geometries = st.builds(
    Geometry, depth=st.integers(1, 5), radius=st.integers(1, 3), valid=st.booleans()
)
shapes = st.lists(st.integers(1, 300), min_size=1, max_size=3).filter(
    lambda shape: math.prod(shape) < 200_000
)


@settings(deadline=None)
@given(geometries, shapes, st.integers(1, 400))
def test_every_pixel_is_kept_exactly_once(geometry: Geometry, shape: list[int], tile: int):
    count = np.zeros(shape, np.uint8)
    for part in plan_tiles(shape, tile, geometry):
        assert all(s.start < s.stop for s in part.keep)
        count[part.keep] += 1
    assert (count == 1).all()


@settings(deadline=None)
@given(geometries, shapes, st.integers(1, 400))
def test_all_tiles_of_a_frame_fit_one_plan(geometry: Geometry, shape: list[int], tile: int):
    tiles = plan_tiles(shape, tile, geometry)
    assert len({tuple(s.stop - s.start for s in part.read) for part in tiles}) == 1
    for part in tiles:
        for axis, (keep, read, crop) in enumerate(
            zip(part.keep, part.read, part.crop, strict=True)
        ):
            size, kept = read.stop - read.start, keep.stop - keep.start
            assert keep.start % geometry.stride == 0
            assert 0 <= keep.start < keep.stop <= shape[axis]
            assert kept <= max(tile + geometry.stride - 1, geometry.stride)
            assert geometry.takes(size)
            assert crop.stop - crop.start == kept
            assert crop.start >= 0 and crop.stop <= geometry.output_size(size)
            assert read.start + geometry.shrinkage + crop.start == keep.start
            assert keep.start - read.start >= geometry.halo
            if not geometry.valid:
                assert read.stop - keep.stop >= geometry.halo


@settings(deadline=None)
@given(geometries, st.integers(1, 2000), st.integers(1, 2000))
def test_tiles_share_an_axis_evenly(geometry: Geometry, n: int, tile: int):
    """No more tiles than needed, and none larger than needed for so many."""
    kept = [part.keep[0].stop - part.keep[0].start for part in plan_tiles([n], tile, geometry)]
    rounded = -(-tile // geometry.stride) * geometry.stride
    assert len(kept) <= -(-n // rounded)
    assert max(kept) < -(-n // len(kept)) + geometry.stride
    assert set(kept[:-1]) <= {max(kept)}


def test_a_small_image_is_one_small_tile():
    (tile,) = plan_tiles([5, 9], 512, Geometry(2, 2, valid=False))
    assert tile == Tile(
        keep=(slice(0, 5), slice(0, 9)),
        read=(slice(-24, 32), slice(-24, 36)),
        crop=(slice(24, 29), slice(24, 33)),
    )


def test_shifting_moves_what_is_read_and_kept_together():
    (tile,) = plan_tiles([5, 9], 512, Geometry(1, 2, valid=True))
    moved = tile.shifted([3, -2])
    assert moved.keep == (slice(3, 8), slice(-2, 7))
    assert [a.start - b.start for a, b in zip(moved.read, tile.read, strict=True)] == [3, -2]
    assert moved.crop == tile.crop


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(-40, 40), st.integers(1, 40))
def test_mirroring_is_numpys_reflection(n: int, start: int, length: int):
    before, after = max(0, -start), max(0, start + length - n)
    padded = np.pad(np.arange(n), (before, after), mode="reflect")
    expected = padded[start + before : start + before + length]
    np.testing.assert_array_equal(mirrored(slice(start, start + length), n), expected)


@pytest.mark.parametrize("depth", range(1, 6))
@pytest.mark.parametrize("valid", [False, True])
def test_reads_of_all_tiles_lie_on_one_grid(depth: int, valid: bool):
    """Pooling pairs the same pixels in every tile."""
    geometry = Geometry(depth, 2, valid)
    for n, tile in itertools.product([1, 100, 333], [1, 16, 50]):
        starts = {part.read[0].start % geometry.stride for part in plan_tiles([n], tile, geometry)}
        assert len(starts) == 1
