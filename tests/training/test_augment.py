"""Augmentation: one warp for pixels and labels, seeded, in 2D and 3D."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_scribe.recipe import Augmentation
from napari_scribe.training.augment import change_intensity, sample_at, warp_fields

STILL = {
    "flip": False, "rotation": 0, "scaling": 1, "elastic": 0, "brightness": 0, "contrast": 1,
    "gamma": 1, "noise": 0, "blur": 0,
}  # fmt: skip
SHAPES = [(17, 21), (16, 16), (7, 9, 8)]


def recipe(**changes: object) -> Augmentation:
    return Augmentation(**{**STILL, **changes})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(offsets: torch.Tensor) -> torch.Tensor:
    """Absolute places of a patch that lies on a volume of its own shape."""
    return offsets + (torch.tensor(offsets.shape[:-1]) - 1) / 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_identity_recipe_changes_nothing(shape: tuple[int, ...]):
    volume = torch.rand(2, *shape)
    (offsets,) = warp_fields(1, shape, recipe(), seeded())
    for mode in ("bilinear", "nearest"):
        for outside in ("reflection", "zeros"):
            same = sample_at(volume, places(offsets), mode, outside)
            torch.testing.assert_close(same, volume, rtol=0, atol=1e-5)
    torch.testing.assert_close(change_intensity(volume[None], recipe(), seeded()), volume[None])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_places_are_pixels(shape: tuple[int, ...]):
    """Sampling agrees with scipy's, which takes pixels too."""
    volume = torch.rand(1, *shape)
    at = torch.rand(50, len(shape)) * (torch.tensor(shape) + 4) - 2
    expected = ndimage.map_coordinates(volume[0].numpy(), at.T.numpy(), order=1, mode="mirror")
    field = at.reshape(50, *(1,) * (len(shape) - 1), len(shape))
    found = sample_at(volume, field, "bilinear", "reflection")
    np.testing.assert_allclose(found[0].flatten(), expected, atol=1e-4)
    inside = ((at >= 0) & (at <= torch.tensor(shape) - 1)).all(dim=1)
    nearest = ndimage.map_coordinates(volume[0].numpy(), at.T.numpy(), order=0)
    labels = sample_at(volume, field, "nearest", "zeros").flatten()
    np.testing.assert_allclose(labels[inside], nearest[inside], atol=1e-6)
    outside = ((at < -0.5) | (at > torch.tensor(shape) - 0.5)).any(dim=1)
    assert outside.any() and not labels[outside].any()


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (1, 16, 16)], ids=str)
def test_axes_of_one_pixel(shape: tuple[int, ...]):
    volume = torch.rand(1, *shape)
    (offsets,) = warp_fields(1, (16,) * len(shape), Augmentation(), seeded())
    found = sample_at(volume, offsets, "bilinear", "reflection")
    assert torch.isfinite(found).all()
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_seed_means_the_same_warp(shape: tuple[int, ...]):
    full = Augmentation()
    one, same = (warp_fields(3, shape, full, seeded(1)) for _ in range(2))
    other = warp_fields(3, shape, full, seeded(2))
    assert one.shape == (3, *shape, len(shape)) and one.dtype == torch.float32
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one[0], one[1])
    pixels = torch.rand(3, 2, *shape)
    first, again = (change_intensity(pixels, full, seeded(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, change_intensity(pixels, full, seeded(2)))


@pytest.mark.parametrize("shape", [(24, 24), (12, 16, 16)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_labels_and_pixels_are_warped_together(shape: tuple[int, ...], seed: int):
    """An image that is its own labels is the same image after the warp, but for soft edges."""
    labels = torch.zeros(1, *shape)
    labels[(0, *(slice(n // 4, 3 * n // 4) for n in shape))] = 1
    (offsets,) = warp_fields(1, shape, Augmentation(), seeded(seed))
    at = places(offsets)
    soft = sample_at(labels, at, "bilinear", "reflection")
    hard = sample_at(labels, at, "nearest", "zeros")
    inside = ((at >= 0) & (at <= torch.tensor(shape) - 1)).all(dim=-1)[None]
    sure = inside & ((soft < 0.01) | (soft > 0.99))
    assert sure.float().mean() > 0.1
    assert torch.equal(soft[sure].round(), hard[sure])
    assert set(hard.unique().tolist()) <= {0, 1}


def test_a_quarter_turn():
    (offsets,) = warp_fields(1, (5, 5), recipe(), seeded())
    turned = offsets.clone()
    turned[..., 0], turned[..., 1] = offsets[..., 1], -offsets[..., 0]
    image = torch.arange(25.0).reshape(1, 5, 5)
    found = sample_at(image, places(turned), "bilinear", "reflection")
    torch.testing.assert_close(found[0], torch.rot90(image[0]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_flips_mirror_every_axis_half_of_the_time(dimensions: int):
    shape = (5,) * dimensions
    still = warp_fields(1, shape, recipe(), seeded())[0]
    flipped = warp_fields(200, shape, recipe(flip=True), seeded())
    for axis in range(dimensions):
        ratio = flipped[..., axis] * still[..., axis]
        n_mirrored = int((ratio.flatten(1).min(dim=1).values < 0).sum())
        assert 70 < n_mirrored < 130
    torch.testing.assert_close(flipped.abs(), still.abs().expand_as(flipped))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_rotation_and_scaling_keep_their_bounds(dimensions: int):
    shape = (9,) * dimensions
    still = warp_fields(1, shape, recipe(), seeded())[0]
    length = still.norm(dim=-1)
    turned = warp_fields(100, shape, recipe(rotation=30), seeded())
    torch.testing.assert_close(turned.norm(dim=-1), length.expand(100, *shape))
    corner = still[(..., 0, 0, slice(None))] if dimensions == 2 else still[4, 0, 0]
    there = turned[:, 0, 0] if dimensions == 2 else turned[:, 4, 0, 0]
    cosine = (there @ corner) / corner.norm() ** 2
    assert cosine.min() >= math.cos(math.radians(30)) - 1e-5
    assert cosine.min() < math.cos(math.radians(20))
    scaled = warp_fields(200, shape, recipe(scaling=2), seeded())
    factor = scaled.norm(dim=-1).flatten(1).sum(dim=1) / length.sum()
    assert 0.5 <= factor.min() < 0.6 and 1.7 < factor.max() <= 2
    assert 70 < int((factor > 1).sum()) < 130


@pytest.mark.parametrize("shape", [(64, 64), (32, 32, 32)], ids=str)
def test_elastic_displacements_are_smooth_and_as_large_as_asked(shape: tuple[int, ...]):
    still = warp_fields(1, shape, recipe(), seeded())[0]
    bent = warp_fields(20, shape, recipe(elastic=3, elastic_grid=16), seeded()) - still
    assert 0.5 < bent.std() < 4
    steps = torch.cat([bent.diff(dim=axis).flatten() for axis in range(1, len(shape) + 1)])
    assert steps.abs().max() < 2.5


@pytest.mark.parametrize(
    ("name", "value"),
    [("brightness", 0.5), ("contrast", 3), ("gamma", 3), ("noise", 0.5), ("blur", 2)],
)
@pytest.mark.parametrize("shape", [(4, 2, 20, 20), (3, 1, 6, 20, 20)], ids=["2d", "3d"])
def test_each_change_of_intensity_alone(name: str, value: float, shape: tuple[int, ...]):
    pixels = torch.rand(shape, generator=seeded())
    changed = change_intensity(pixels, recipe(**{name: value}), seeded())
    assert changed.shape == pixels.shape and torch.isfinite(changed).all()
    difference = changed - pixels
    assert difference.flatten(1).abs().amax(dim=1).min() > 0
    flat = pixels.flatten(1), changed.flatten(1)
    if name == "brightness":
        assert difference.flatten(1).std(dim=1).max() < 1e-5
        assert difference.abs().max() <= value
    elif name == "contrast":
        ratio = flat[1] / flat[0]
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
        assert 1 / value <= ratio.min() and ratio.max() <= value
    elif name == "gamma":
        order = [x.argsort(dim=1, stable=True) for x in flat]
        assert torch.equal(*order)
    elif name == "noise":
        assert difference.std() < value
    else:
        assert (flat[1].std(dim=1) < flat[0].std(dim=1)).all()
        torch.testing.assert_close(flat[1].mean(dim=1), flat[0].mean(dim=1), rtol=0.1, atol=0)


def test_blur_is_gaussian():
    pixels = torch.zeros(20, 1, 31, 31)
    pixels[:, 0, 15, 15] = 1
    blurred = change_intensity(pixels, recipe(blur=2), seeded())[:, 0]
    n_wide = 0
    for found in blurred:
        middle, beside = found[15, 15].item(), found[15, 16].item()
        assert found.sum().item() == pytest.approx(1, abs=1e-5)
        if beside < 1e-3 * middle:
            continue
        n_wide += 1
        sigma = (2 * math.log(middle / beside)) ** -0.5
        assert sigma <= 2
        reach = int((found[15] > 0).sum()) // 2
        assert reach >= sigma
        expected = ndimage.gaussian_filter(pixels[0, 0].numpy(), sigma, radius=reach)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert n_wide > 5


def test_negative_pixels_keep_their_sign():
    pixels = torch.linspace(-2, 2, 100).reshape(1, 1, 10, 10)
    changed = change_intensity(pixels, recipe(gamma=2), seeded())
    assert torch.equal(changed.sign(), pixels.sign())
