"""Tiled output equals whole-image output: what the house stands on.

Random networks are compared in float64, where a pixel that is missing at a border cannot hide
behind rounding: float32 differs between tile sizes by up to 1e-5, and more where random weights
enlarge it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_scribe.image import Image
from napari_scribe.inference.engine import (
    Predictor,
    activate,
    predict_tiles,
    predict_window,
)
from napari_scribe.inference.per_image import SAMPLE, network_for
from napari_scribe.inference.reading import tile_reader
from napari_scribe.inference.tiles import Tile, plan_tiles, split
from napari_scribe.networks import UNet
from napari_scribe.normalization import Statistics
from napari_scribe.recipe import UNet as Recipe
from napari_scribe.targets import Head

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5}
"""Answers are given in float32 in either case."""
FOLDING = 1e-4
"""What folding batch normalization may change: it is done in float32."""
HEADS = Head("foreground", 1, "binary"), Head("classes", 3, "categorical")
Pixels = npt.NDArray[np.float32]


Make = Callable[..., UNet]


@pytest.fixture(scope="session")
def random_network(randomize: Callable[[UNet, int], UNet]) -> Make:
    def make(seed: int, n_channels: int = 1, **recipe: Any) -> UNet:
        return randomize(UNet(Recipe(width=2, **recipe), n_channels, 4), seed)

    return make


def random_image(shape: tuple[int, ...], n_channels: int, seed: int) -> Pixels:
    return np.random.default_rng(seed).normal(0.5, 1, (n_channels, *shape)).astype(np.float32)


def as_image(pixels: Pixels) -> Image:
    return Image(pixels, "C" + "ZYX"[1 - pixels.ndim :])


def as_is(n: int) -> Statistics:
    """Statistics that change nothing."""
    return Statistics(
        np.zeros(n, np.float32), np.ones(n, np.float32), np.zeros(n, bool), np.zeros(n)
    )


def run_tiles(
    network: UNet,
    pixels: Pixels,
    tiles: Sequence[Tile],
    batch: int = 1,
    dtype: torch.dtype = torch.float64,
) -> Pixels:
    """Run over an image ``(C, *spatial)``, not normalized; ``(4, *spatial)``."""
    predictor = Predictor(network, HEADS, torch.device("cpu"), dtype)
    n, shape = len(pixels), pixels.shape[1:]
    read = tile_reader(as_image(pixels), (), range(n), as_is(n), len(shape))
    answer = np.full((4, *shape), np.nan, np.float32)

    def write(part: Any, kept: Pixels) -> None:
        answer[(slice(None), *part.keep)] = kept

    assert list(predict_tiles([predictor], tiles, read, write, batch))[-1] == len(tiles)
    return answer


def tiled(
    network: UNet,
    pixels: Pixels,
    tile: int | Sequence[int],
    batch: int = 1,
    dtype: torch.dtype = torch.float64,
) -> Pixels:
    """The same in tiles of one side."""
    tiles = plan_tiles(pixels.shape[1:], tile, network.geometry)
    return run_tiles(network, pixels, tiles, batch, dtype)


def padded_forward(network: UNet, pixels: Pixels) -> Pixels:
    """One forward pass of a network over the image, reflected around itself.

    It answers everything: nothing is left out around what is kept.
    """
    axes = list(zip(network.geometry, pixels.shape[1:], strict=True))
    around = [(g.halo, g.input_size(n) - g.halo - n) for g, n in axes]
    x = torch.from_numpy(np.pad(pixels, [(0, 0), *around], mode="reflect"))
    (dtype,) = {weight.dtype for weight in network.parameters()}
    with torch.inference_mode():
        y = activate(network(x[None].to(dtype)), HEADS)[0].float().numpy()
    return y[(slice(None), *(slice(k := g.halo - g.shrinkage, k + n) for g, n in axes))]


def check(
    network: UNet,
    pixels: Pixels,
    tile: int,
    batch: int = 1,
    dtype: torch.dtype = torch.float64,
) -> None:
    whole = tiled(network, pixels, pixels.shape[1:], dtype=dtype)
    assert np.ptp(whole) > 1e-3  # it answers something
    near = {"rtol": 0, "atol": TOLERANCE[dtype]}
    parts = tiled(network, pixels, tile, batch, dtype)
    np.testing.assert_allclose(parts, whole, **near)
    one_pass = padded_forward(network.folded().to(dtype), pixels)
    np.testing.assert_allclose(whole, one_pass, **near)
    unfolded = padded_forward(network.to(dtype), pixels)
    np.testing.assert_allclose(whole, unfolded, rtol=0, atol=FOLDING)


@settings(max_examples=30)
@given(
    depth=st.integers(2, 4),
    padding=st.sampled_from(["same", "valid"]),
    shape=st.tuples(st.integers(1, 140), st.integers(1, 140)),
    tile=st.integers(8, 150),
    n_channels=st.integers(1, 3),
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
@example(depth=4, padding="same", shape=(1, 1), tile=1, n_channels=1, batch=1, seed=0)
@example(depth=4, padding="valid", shape=(1, 140), tile=16, n_channels=1, batch=2, seed=1)
@example(depth=2, padding="same", shape=(33, 34), tile=1, n_channels=2, batch=3, seed=2)
def test_tiled_equals_whole_in_2d(
    random_network: Make,
    depth: int,
    padding: str,
    shape: tuple[int, int],
    tile: int,
    n_channels: int,
    batch: int,
    seed: int,
):
    network = random_network(seed, n_channels, depth=depth, padding=padding)
    check(network, random_image(shape, n_channels, seed), tile, batch)


@settings(max_examples=20)
@given(
    levels=st.sampled_from([(1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]),
    padding=st.sampled_from(["same", "valid"]),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12)),
    tile=st.integers(5, 12),
    n_channels=st.integers(1, 2),
    seed=st.integers(0, 2**16),
)
def test_tiled_equals_whole_in_3d(
    random_network: Make,
    levels: tuple[int, int],
    padding: str,
    shape: tuple[int, ...],
    tile: int,
    n_channels: int,
    seed: int,
):
    depth, flat_levels = levels
    network = random_network(
        seed, n_channels, depth=depth, flat_levels=flat_levels, padding=padding, dimensions=3
    )
    check(network, random_image(shape, n_channels, seed), tile)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_float32_differs_by_rounding_only(random_network: Make, padding: str, seed: int):
    network = random_network(seed, depth=3, padding=padding)
    check(network, random_image((90, 100), 1, seed), 32, dtype=torch.float32)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_tiled_equals_whole_in_3d_at_depth_3(random_network: Make, padding: str):
    network = random_network(3, depth=3, padding=padding, dimensions=3)
    check(network, random_image((13, 1, 6), 1, seed=3), 8)


@pytest.mark.parametrize("flat_levels", [1, 3])
def test_thick_slices_at_depth_3(random_network: Make, flat_levels: int):
    network = random_network(9, depth=3, dimensions=3, flat_levels=flat_levels)
    check(network, random_image((13, 20, 6), 1, seed=9), 8)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_pieces_of_tiles_are_exact_too(random_network: Make, dimensions: int, padding: str):
    network = random_network(10, depth=2, dimensions=dimensions, padding=padding)
    pixels = random_image((5, 21, 30)[-dimensions:], 1, seed=10)
    tiles = plan_tiles(pixels.shape[1:], 16, network.geometry)
    halves = [half for tile in tiles for half in split(tile, network.geometry)]
    quarters = [part for half in halves for part in split(half, network.geometry)]
    assert len(tiles) < len(halves) < len(quarters)
    whole = run_tiles(network, pixels, tiles)
    for pieces in (halves, quarters):
        parts = run_tiles(network, pixels, pieces, batch=2)
        np.testing.assert_allclose(parts, whole, rtol=0, atol=TOLERANCE[torch.float64])


def test_a_smaller_halo_shows_at_the_ends_of_tiles_only(random_network: Make):
    """In the middle of a large tile nothing changes."""
    network, pixels = random_network(11, depth=2), random_image((128, 128), 1, seed=11)
    whole = tiled(network, pixels, 128)
    quick = run_tiles(network, pixels, plan_tiles((128, 128), 64, network.geometry, [4, 4]))
    wrong = np.abs(quick - whole).max(axis=0) > TOLERANCE[torch.float64]
    assert wrong[62:66].any() and not wrong[24:40, 24:40].any()


def test_five_levels_are_exact_too(random_network: Make):
    network = random_network(4, depth=5)
    check(network, random_image((40, 70), 1, seed=4), 32)


def test_half_precision_is_near_and_does_not_depend_on_the_tile_either(random_network: Make):
    network, pixels = random_network(8, depth=3), random_image((90, 100), 1, seed=8)
    exact = tiled(network, pixels, 100)
    whole, parts = (tiled(network, pixels, tile, dtype=torch.bfloat16) for tile in (100, 32))
    assert np.abs(whole - exact).max() < 0.1
    assert np.abs(whole - exact).mean() < 0.01
    np.testing.assert_allclose(parts, whole, rtol=0, atol=0.02)


def test_answers_are_probabilities(random_network: Make):
    whole = tiled(random_network(6, depth=2), random_image((40, 40), 1, seed=6), 16)
    assert whole.min() >= 0 and whole.max() <= 1
    np.testing.assert_allclose(whole[1:].sum(axis=0), 1, atol=1e-5)


def test_a_window_is_the_same_piece_of_the_whole(random_network: Make):
    """A window that lies on the stride's grid is exactly what the whole image has there."""
    network = random_network(7, depth=2)
    pixels = random_image((60, 70), 1, seed=7)
    predictor = Predictor(network, HEADS, torch.device("cpu"), torch.float64)
    read = tile_reader(Image(pixels, "CYX"), (), [0], as_is(1), 2)
    window = slice(8, 31), slice(40, 70)
    answer = predict_window(predictor, read, window, tile=16)
    assert {name: a.shape for name, a in answer.items()} == {
        "foreground": (1, 23, 30),
        "classes": (3, 23, 30),
    }
    whole = tiled(network, pixels, 100)[(slice(None), *window)]
    both = np.concatenate([answer["foreground"], answer["classes"]])
    np.testing.assert_allclose(both, whole, rtol=0, atol=TOLERANCE[torch.float64])


# ---- variants of the U-Net ----------------------------------------------------------------------


def check_variant(
    random_network: Make, shape: tuple[int, ...], tile: int, seed: int, **recipe: Any
) -> None:
    """The network as it is applied to the image: with the features' statistics of the image."""
    pixels = random_image(shape, 1, seed)
    network = random_network(seed, dimensions=len(shape), **recipe)
    network = network_for(network, as_image(pixels), [0], as_is(1))
    check(network, pixels, tile)


variants = {
    "padding": st.sampled_from(["same", "valid", "full"]),
    "block": st.sampled_from(["plain", "residual", "shared"]),
    "skips": st.sampled_from(["concatenate", "add", "none"]),
    "normalization": st.sampled_from(["batch", "instance", "group", "none"]),
}


@settings(max_examples=20, deadline=None)
@given(
    depth=st.integers(1, 3),
    upsampling=st.sampled_from(["transposed", "nearest", "bilinear", "bicubic"]),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    tile=st.integers(8, 80),
    seed=st.integers(0, 2**16),
    **variants,
)
def test_variants_are_exact_in_2d(
    random_network: Make, shape: tuple[int, int], tile: int, seed: int, **recipe: Any
):
    check_variant(random_network, shape, tile, seed, **recipe)


@settings(max_examples=15, deadline=None)
@given(
    levels=st.sampled_from([(1, 0), (1, 1), (2, 1)]),
    upsampling=st.sampled_from(["transposed", "nearest", "trilinear"]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12)),
    tile=st.integers(5, 12),
    seed=st.integers(0, 2**16),
    **variants,
)
def test_variants_are_exact_in_3d(
    random_network: Make,
    levels: tuple[int, int],
    shape: tuple[int, ...],
    tile: int,
    seed: int,
    **recipe: Any,
):
    depth, flat_levels = levels
    check_variant(random_network, shape, tile, seed, depth=depth, flat_levels=flat_levels, **recipe)


def test_of_large_images_pieces_are_sampled(random_network: Make):
    """The same ones each time, so that every process has the same network."""
    shape = (740, 730)
    assert shape[0] * shape[1] > SAMPLE[2]
    pixels = random_image(shape, 1, seed=3)
    plain = random_network(3, depth=1, normalization="group")
    network = network_for(plain, as_image(pixels), [0], as_is(1))
    again = network_for(plain, as_image(pixels), [0], as_is(1))
    state, same = network.state_dict(), again.state_dict()
    assert all(torch.equal(v, same[k]) for k, v in state.items())
    one, parts = (tiled(network, pixels, tile, dtype=torch.float32) for tile in (740, 256))
    np.testing.assert_allclose(parts, one, rtol=0, atol=TOLERANCE[torch.float32])
    whole = network_for(plain, as_image(pixels[:, :720, :720]), [0], as_is(1)).state_dict()
    first = "encoder.0.0.1.running_var"
    torch.testing.assert_close(state[first], whole[first], rtol=0.3, atol=0)
