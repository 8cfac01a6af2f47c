"""Where tiles lie, by property."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_scribe.inference.tiles import Tile, mirrored, plan_tiles, split
from napari_scribe.networks import Geometry, geometry_of, sides
from napari_scribe.networks.unet import Levels
from napari_scribe.recipe import UNet

Axes = list[tuple[int, Geometry]]


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    depth, radius = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    flat = draw(st.integers(0, depth))
    return Levels(
        factors=(1,) * flat + (2,) * (depth - flat),
        radii=(0,) * flat + (radius,) * (depth - flat + 1),
        padding=draw(st.sampled_from(["same", "valid"])),
    ).geometry


axes = st.lists(st.tuples(st.integers(1, 300), geometries()), min_size=1, max_size=3).filter(
    lambda axes: math.prod(n for n, _ in axes) < 200_000
)
halves = geometry_of(UNet(depth=2))
"""Of a network with a stride of 4 pixels and a halo of 24."""


@given(axes, st.integers(1, 400))
def test_every_pixel_is_kept_exactly_once(axes: Axes, tile: int):
    shape, geometry = zip(*axes, strict=True)
    count = np.zeros(shape, np.uint8)
    for part in plan_tiles(shape, tile, geometry):
        assert all(s.start < s.stop for s in part.keep)
        count[part.keep] += 1
    assert (count == 1).all()


def check_tile(tile: Tile, shape: Sequence[int], geometry: Sequence[Geometry]) -> None:
    """What is read is enough for what is kept, and the network takes it."""
    for keep, read, crop, margin, n, g in zip(
        tile.keep, tile.read, tile.crop, tile.margin, shape, geometry, strict=True
    ):
        size, kept = read.stop - read.start, keep.stop - keep.start
        assert g.takes(size)
        assert 0 <= keep.start < keep.stop <= n
        assert keep.start % g.stride == 0
        assert margin % g.stride == 0
        assert crop.stop - crop.start == kept
        assert crop.start >= 0 and crop.stop <= g.output_size(size) - 2 * margin
        assert read.start + g.shrinkage + margin + crop.start == keep.start
        assert keep.start - read.start >= g.halo
        assert read.stop - keep.stop >= g.halo


@given(axes, st.integers(1, 400))
def test_all_tiles_of_a_frame_fit_one_plan(axes: Axes, tile: int):
    shape, geometry = zip(*axes, strict=True)
    tiles = plan_tiles(shape, tile, geometry)
    assert len({(part.read_shape, part.margin) for part in tiles}) == 1
    largest = sides(tile, geometry)
    for part in tiles:
        check_tile(part, shape, geometry)
        for kept, side, g in zip(part.kept_shape, largest, geometry, strict=True):
            most = max(side, min(tile, g.halo))  # where another axis is longer
            assert kept <= most + g.stride - 1


@given(axes, st.integers(1, 400), st.integers(1, 6))
def test_pieces_of_a_tile_give_what_it_gives(axes: Axes, tile: int, times: int):
    shape, geometry = zip(*axes, strict=True)
    for whole in plan_tiles(shape, tile, geometry)[-2:]:
        pieces = [whole]
        for _ in range(times):
            before, pieces = pieces, [part for piece in pieces for part in split(piece, geometry)]
            assert max(math.prod(p.read_shape) for p in pieces) <= max(
                math.prod(p.read_shape) for p in before
            )
        count = np.zeros(shape, np.uint8)
        for piece in pieces:
            check_tile(piece, shape, geometry)
            count[piece.keep] += 1
        assert (count[whole.keep] == 1).all() and count.sum() == math.prod(whole.kept_shape)


@given(axes, st.integers(1, 400))
def test_a_tile_can_be_split_until_it_is_one_stride(axes: Axes, tile: int):
    shape, geometry = zip(*axes, strict=True)
    piece = plan_tiles(shape, tile, geometry)[0]
    while len(parts := split(piece, geometry)) > 1:
        one, other = parts
        assert one.read_shape == other.read_shape and one.margin == other.margin
        assert max(one.kept_shape) <= max(piece.kept_shape)
        piece = one
    assert parts == [piece]
    assert all(kept <= g.stride for kept, g in zip(piece.kept_shape, geometry, strict=True))


def test_a_tile_is_split_across_its_longest_axis():
    (tile,) = plan_tiles([30, 90], 100, halves)
    one, other = split(tile.shifted([3, 7]), halves)  # as in a window
    assert one.keep == (slice(3, 33), slice(7, 55))
    assert other.keep == (slice(3, 33), slice(55, 97))
    assert one.read == (slice(-21, 59), slice(-17, 79))
    assert one.margin == other.margin == (24, 24)


@given(geometries(), st.integers(1, 2000), st.integers(1, 2000))
def test_tiles_share_an_axis_evenly(geometry: Geometry, n: int, tile: int):
    """No more tiles than needed, and none larger than needed for so many."""
    kept = [part.kept_shape[0] for part in plan_tiles([n], tile, [geometry])]
    rounded = -(-tile // geometry.stride) * geometry.stride
    assert len(kept) <= -(-n // rounded)
    assert max(kept) < -(-n // len(kept)) + geometry.stride
    assert set(kept[:-1]) <= {max(kept)}


def test_a_small_image_is_one_small_tile():
    (tile,) = plan_tiles([5, 9], 512, halves)
    assert tile == Tile(
        keep=(slice(0, 5), slice(0, 9)),
        read=(slice(-24, 32), slice(-24, 36)),
        crop=(slice(0, 5), slice(0, 9)),
        margin=(24, 24),
    )


def test_tiles_of_thick_slices_have_fewer_of_them():
    geometry = geometry_of(UNet(depth=2, dimensions=3, flat_levels=2))
    tiles = plan_tiles([40, 200, 200], 100, geometry)
    assert tiles[0].kept_shape == (20, 100, 100)
    assert tiles[0].margin == (2, 24, 24)
    assert plan_tiles([40, 200, 200], (20, 100, 100), geometry) == tiles


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_smaller_halo_reads_less_as_far_as_the_network_can(padding: str):
    geometry = geometry_of(UNet(depth=2, padding=padding))
    exact = plan_tiles([200, 200], 64, geometry)
    (quick, *_), (none, *_) = (plan_tiles([200, 200], 64, geometry, h) for h in ([7, 9], [0, 0]))
    if padding == "valid":  # it has lost 20 pixels by itself
        assert quick == none == exact[0] and none.margin == (0, 0)
    else:
        assert quick.margin == (8, 12) and none.margin == (0, 0)
        assert quick.read == (slice(-8, 60), slice(-12, 64))
        assert none.read == none.keep
    wide = plan_tiles([200, 200], 64, geometry, [48, 48])[0]
    assert wide.keep == exact[0].keep and wide.margin > exact[0].margin
    check_tile(wide, [200, 200], geometry)


def test_the_cost_is_what_is_read_for_each_pixel_kept():
    def cost(tiles: Sequence[Tile]) -> float:
        read = sum(math.prod(tile.read_shape) for tile in tiles)
        return read / sum(math.prod(tile.kept_shape) for tile in tiles)

    tiles = plan_tiles([100, 200], 100, halves)
    assert cost(tiles) == pytest.approx(148 * 148 / 100**2)
    assert cost(plan_tiles([99, 100], 100, halves, [0, 0])) == pytest.approx(100 / 99)


def test_shifting_moves_what_is_read_and_kept_together():
    (tile,) = plan_tiles([5, 9], 512, geometry_of(UNet(depth=1, padding="valid")))
    moved = tile.shifted([3, -2])
    assert moved.keep == (slice(3, 8), slice(-2, 7))
    assert [a.start - b.start for a, b in zip(moved.read, tile.read, strict=True)] == [3, -2]
    assert (moved.crop, moved.margin) == (tile.crop, tile.margin)


@given(st.integers(1, 12), st.integers(-40, 40), st.integers(1, 40))
def test_mirroring_is_numpys_reflection(n: int, start: int, length: int):
    before, after = max(0, -start), max(0, start + length - n)
    padded = np.pad(np.arange(n), (before, after), mode="reflect")
    expected = padded[start + before : start + before + length]
    np.testing.assert_array_equal(mirrored(slice(start, start + length), n), expected)


@pytest.mark.parametrize("depth", range(1, 6))
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_reads_of_all_tiles_lie_on_one_grid(depth: int, padding: str):
    """Pooling pairs the same pixels in every tile."""
    geometry = geometry_of(UNet(depth=depth, padding=padding))[0]
    for n, tile in itertools.product([1, 100, 333], [1, 16, 50]):
        starts = {
            part.read[0].start % geometry.stride for part in plan_tiles([n], tile, [geometry])
        }
        assert len(starts) == 1
