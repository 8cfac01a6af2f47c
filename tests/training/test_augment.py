"""Augmentation: one warp for pixels and labels, seeded, in 2D and 3D."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribe.recipe import Augmentation, Recipe
from napari_scribe.targets import paint_encoding_of
from napari_scribe.training.augment import change_intensity, sample_at, warp_fields
from napari_scribe.training.regions import Layout

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


CLASSES = 3


@settings(max_examples=20)
@given(
    shape=st.sampled_from([(24, 24), (20, 33), (7, 20, 20)]),
    seed=st.integers(0, 2**31),
    changes=st.fixed_dictionaries(
        {
            "flip": st.booleans(),
            "rotation": st.floats(0, 180),
            "scaling": st.floats(1, 2),
            "shear": st.floats(0, 45),
            "elastic": st.floats(0, 4),
            "elastic_grid": st.integers(6, 32),
            "misalignment": st.floats(0, 8),
        }
    ),
    margin=st.integers(0, 3),
)
def test_pixels_labels_and_weights_move_together(
    shape: tuple[int, ...], seed: int, changes: dict[str, float], margin: int
):
    """Pixels that show the labels and what is painted, warped, show the warped ones."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, CLASSES, [-(-n // 4) for n in shape])
    labels = torch.from_numpy(np.kron(coarse, np.ones([4] * len(shape))))
    labels = labels[tuple(slice(n) for n in shape)].float()
    painted = torch.from_numpy(ndimage.zoom(rng.random([3] * len(shape)), np.divide(shape, 3)))
    painted = (painted > 0.5).float()
    shown = torch.stack([*(labels == k for k in range(CLASSES)), painted > 0]).float()
    layout = Layout(paint_encoding_of(Recipe(task="classes"), (1, 2, 3)), len(shown))
    (offsets,) = warp_fields(1, shape, recipe(**changes), seeded(seed))
    at, margins = places(offsets), [margin] * len(shape)
    inner = tuple(slice(margin, n - margin) for n in shape)
    pixels, values, weights = layout.cut(shown, torch.stack([labels, painted]), at, margins)
    inside = ((at >= 0) & (at <= torch.tensor(shape) - 1)).all(dim=-1)[inner]
    pixels = pixels[(slice(None), *inner)]
    is_sure = inside & (pixels[:CLASSES].amax(dim=0) > 0.99)
    assert torch.equal(values[0][is_sure], pixels[:CLASSES].argmax(dim=0)[is_sure].float())
    is_sure = inside & ((pixels[-1] < 0.01) | (pixels[-1] > 0.99))
    assert torch.equal(weights[0][is_sure], pixels[-1][is_sure].round())


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


# ---- what is off --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 1, 12, 12), (2, 1, 6, 12, 12)], ids=["2d", "3d"])
def test_what_is_off_draws_no_numbers(shape: tuple[int, ...]):
    """A training of a seed stays as it was before there were shear, inversion and so on."""
    generator = seeded(7)
    warp_fields(2, shape[2:], Augmentation(), generator)
    change_intensity(torch.rand(shape, generator=seeded()), Augmentation(), generator)
    expected = {4: 0.993620, 5: 0.809877}[len(shape)]
    assert torch.rand(1, generator=generator).item() == pytest.approx(expected, abs=1e-6)


OF_SLICES = {"misalignment": 5, "blurred_section": 3, "missing_section": 1}


def test_a_plane_has_no_slices():
    pixels, quiet, asked = torch.rand(2, 1, 16, 16), recipe(), recipe(**OF_SLICES)
    for one, other in ((quiet, asked), (asked, quiet)):
        assert torch.equal(*(warp_fields(2, (16, 16), r, seeded()) for r in (one, other)))
        assert torch.equal(*(change_intensity(pixels, r, seeded()) for r in (one, other)))


# ---- warps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 9), (4, 9, 9)], ids=["2d", "3d"])
def test_shear_slants_the_plane(shape: tuple[int, ...]):
    still = warp_fields(1, shape, recipe(), seeded())
    sheared = warp_fields(100, shape, recipe(shear=40), seeded())
    slope = (sheared - still)[..., -2] / still[..., -1].where(still[..., -1] != 0, math.nan)
    slope = slope.nanmean(dim=tuple(range(1, slope.ndim)))
    expected = still.expand_as(sheared).clone()
    expected[..., -2] += slope.reshape(-1, *[1] * len(shape)) * still[..., -1]
    torch.testing.assert_close(sheared, expected)
    angles = torch.rad2deg(torch.atan(slope))
    assert 25 < angles.max() <= 40 and -40 <= angles.min() < -25
    assert angles.abs().median() < 20  # strong ones are rare


def test_misalignment_moves_one_section_or_all_from_one_on():
    shape = (6, 8, 9)
    still = warp_fields(1, shape, recipe(), seeded())
    moved = warp_fields(200, shape, recipe(misalignment=5), seeded()) - still
    assert not moved[..., 0].any()
    torch.testing.assert_close(moved, moved[:, :, :1, :1].expand_as(moved), rtol=0, atol=1e-5)
    steps = moved[:, :, 0, 0, 1:]
    assert steps.abs().max() <= 5 and steps.abs().max() > 3
    n_moved = (steps.abs().amax(dim=2) > 1e-4).sum(dim=1)
    assert 0.3 < (n_moved == 1).float().mean() < 0.8 and n_moved.max() == 5
    for patch, n in zip(steps, n_moved.tolist(), strict=True):
        if n > 1:  # the last ones, and all alike
            assert not patch[: 6 - n].any() and torch.allclose(patch[-n:], patch[-1], atol=1e-5)


# ---- pixels alone -------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("shape", [(60, 2, 20, 20), (60, 1, 6, 10, 10)], ids=["2d", "3d"])


def changed(shape: tuple[int, ...], **changes: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Random patches, and the same after a change; those without an exponent of 1 stay exact."""
    pixels = torch.rand(shape, generator=seeded())
    return pixels, change_intensity(pixels, recipe(**changes), seeded(1))


@BOTH
def test_inversion_swaps_bright_and_dark_in_some_patches(shape: tuple[int, ...]):
    before, after = changed(shape, invert=0.5)
    same = torch.isclose(after, before).flatten(1).all(dim=1)
    swapped = torch.isclose(after, 1 - before).flatten(1).all(dim=1)
    assert (same ^ swapped).all() and 15 < swapped.sum() < 45
    before, after = changed(shape, invert=1)
    torch.testing.assert_close(after, 1 - before)


@BOTH
def test_the_background_is_a_slope(shape: tuple[int, ...]):
    before, after = changed(shape, background=0.5)
    slope = after - before
    for axis in range(2, len(shape)):
        assert slope.diff(n=2, dim=axis).abs().max() < 1e-5
    span = slope.flatten(1).amax(dim=1) - slope.flatten(1).amin(dim=1)
    assert span.max() <= 0.5 and span.max() > 0.3 and span.min() > 0
    assert slope.flatten(1).mean(dim=1).abs().max() < 1e-5
    assert torch.allclose(slope, slope[:, :1], atol=1e-6)


@BOTH
def test_cutout_blanks_a_box(shape: tuple[int, ...]):
    before, after = changed(shape, cutout=4)
    gone = after != before
    assert torch.equal(gone, gone[:, :1].expand_as(gone))  # the same place in all channels
    sizes = []
    for patch, pixels in zip(gone[:, 0], after, strict=True):
        box = ndimage.find_objects(patch.numpy().astype(int))[0]
        assert patch[box].all() and patch.sum() == patch[box].numel()
        values = pixels[(slice(None), *box)].unique()
        assert len(values) == 1 and 0 <= values.item() <= 1
        sizes.append(patch[box].shape)
    assert min(map(min, sizes)) == 1 and max(map(max, sizes)) == 4
    half = shape[2] // 2
    assert max(size[0] for size in sizes) <= half


def test_cutout_never_hides_a_whole_axis():
    before, after = changed((50, 1, 3, 12, 12), cutout=500)
    assert not (after != before).all(dim=2).any()
    assert (after != before).any(dim=2).sum() > 0


def test_a_missing_section_is_blank():
    shape = (80, 2, 5, 8, 8)
    before, after = changed(shape, missing_section=0.5)
    gone = (after != before).flatten(3).any(dim=3)
    assert torch.equal(gone[:, 0], gone[:, 1])
    n_gone = gone[:, 0].sum(dim=1)
    assert n_gone.max() == 1 and 20 < n_gone.sum() < 60
    for n, z in gone[:, 0].nonzero().tolist():
        assert len(after[n, :, z].unique()) == 1 and 0 <= after[n, 0, z, 0, 0] <= 1
    assert set(gone[:, 0].nonzero()[:, 1].tolist()) == set(range(5))


def test_a_blurred_section_is_smoother():
    shape = (40, 1, 5, 12, 12)
    before, after = changed(shape, blurred_section=2)
    moved = (after != before).flatten(3).any(dim=3)[:, 0]
    assert moved.sum(dim=1).max() == 1 and moved.sum() > 20
    assert set(moved.nonzero()[:, 1].tolist()) == set(range(5))
    n, z = moved.nonzero().T
    rough, smooth = (x[n, 0, z].flatten(1).std(dim=1) for x in (before, after))
    assert (smooth <= rough + 1e-6).all() and smooth.mean() < 0.7 * rough.mean()


def test_defects_come_after_noise():
    """A slice that is missing has no noise either."""
    _, after = changed((10, 1, 5, 8, 8), noise=0.5, missing_section=1)
    assert (after.flatten(3).std(dim=3) == 0).sum(dim=2).eq(1).all()


@pytest.mark.cuda
@BOTH
def test_a_seed_means_the_same_on_every_device(shape: tuple[int, ...]):
    everything = recipe(
        invert=0.5, background=1, cutout=4, blur=1, gamma=2, contrast=2, brightness=0.5,
        blurred_section=2, missing_section=0.5,
    )  # fmt: skip
    pixels = torch.rand(shape, generator=seeded())
    here = change_intensity(pixels, everything, seeded(1))
    there = change_intensity(pixels.cuda(), everything, seeded(1)).cpu()
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-3)
