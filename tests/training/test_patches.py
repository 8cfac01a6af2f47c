"""Patches: cut around paint, held-out paint apart, labels on top of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.networks import geometry_of
from napari_scribe.normalization import Normalization, Statistics
from napari_scribe.recipe import Augmentation, Recipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint, paint_encoding_of
from napari_scribe.training.patches import (
    PatchSampler,
    class_factors,
    patch_shape,
    validation_batches,
)
from napari_scribe.training.regions import CORE as BLOCKS
from napari_scribe.training.regions import Layout, Region, RegionLoader

BLOCK = BLOCKS[2]

STILL = Augmentation(
    flip=False, rotation=0, scaling=1, elastic=0, brightness=0, contrast=1, gamma=1, noise=0, blur=0
)
CPU = torch.device("cpu")
AS_IS = Statistics(np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros(1, bool), np.zeros(1))


def loader(images: Sequence[Image], recipe: Recipe, painted: tuple[int, ...] = ()) -> RegionLoader:
    """Loads pixels as they are."""
    encoding = paint_encoding_of(recipe, painted)
    return RegionLoader(images, (0,), [AS_IS] * len(images), encoding, recipe, CPU)


def layout_of(recipe: Recipe, n_classes: int = 0) -> Layout:
    return Layout(paint_encoding_of(recipe, tuple(range(1, n_classes + 1))), 1)


def sampler(regions: Sequence[Region], recipe: Recipe, n_classes: int = 0) -> PatchSampler:
    layout, generator = layout_of(recipe, n_classes), torch.Generator().manual_seed(0)
    return PatchSampler(regions, recipe, geometry_of(recipe.network), layout, generator)


@pytest.fixture
def painted(sample: Sample) -> tuple[Image, Paint]:
    return Image(sample.image.astype(np.float32)), Paint(sample.paint)


# ---- regions ------------------------------------------------------------------------------------


def test_what_trains_does_not_validate(painted: tuple[Image, Paint], small: Recipe):
    image, paint = painted
    (region,) = loader([image], small).load([paint])
    assert region.held_exact is not None
    training, validating = region.exact, region.held_exact  # weights alone: nothing is an index
    assert len(training) == len(layout_of(small).encoding.heads)
    assert training.any() and validating.any()
    assert not (training.bool() & validating.bool()).any()
    held = torch.from_numpy(region.held)
    assert not training[:, held].any() and not validating[:, ~held].any()
    for kind, places in region.places.items():
        y, x = places.long().T
        assert not region.held[y, x].any()
        values = paint.array[y, x]
        assert (values == 1).all() if kind == 1 else (values > 1).all()


def test_frames_and_blocks_without_paint_are_never_read(small: Recipe):
    paint = np.zeros((3, 20, 3 * BLOCK), np.uint8)
    paint[1, 5:9, 2 * BLOCK + 5 : 2 * BLOCK + 9] = 2
    read = []

    class Watched:
        shape, dtype = paint.shape, np.dtype("uint8")

        def __getitem__(self, index: tuple[object, ...]) -> np.ndarray:
            read.append(index)
            return paint[index]

    image = Image(Watched(), "TYX")
    (region,) = loader([image], small).load([Paint(paint)])
    assert len(read) == 1 and read[0][0] == 1
    assert region.key[:2] == (0, (("T", 1),))
    assert region.smooth.shape[-1] < 2 * BLOCK


def test_objects_at_the_edge_of_a_block_are_whole(small: Recipe):
    paint = np.zeros((40, 3 * BLOCK), np.uint8)
    paint[10:30, BLOCK - 12 : BLOCK + 13] = 2
    paint[2:4] = 1
    regions = loader([Image(paint.astype(np.uint8))], small).load([Paint(paint)])
    assert len(regions) == 3
    for region in regions[:2]:
        assert (region.paint == 2).sum() == 20 * 25
    n_places = sum(int((r.paint > 0).sum() > 0) for r in regions)
    assert n_places == 3


def test_every_painted_pixel_is_a_place_of_one_block_only(small: Recipe):
    paint = np.zeros((8, 3 * BLOCK), np.uint8)
    paint[3, BLOCK - 300 : BLOCK + 300] = 2
    regions = loader([Image(paint)], small).load([Paint(paint)])
    at = [r.places[2] + torch.tensor(r.key[2]) for r in regions if 2 in r.places]
    places = torch.cat(at).long().tolist()
    assert sorted(places) == [[3, x] for x in range(BLOCK - 300, BLOCK + 300)]


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_neighbouring_blocks_hold_out_the_same(task: str):
    """What validates in one block does not train in the margin of the next."""
    recipe = Recipe(task=task)
    paint = np.ones((40, 3000), np.uint8)
    paint[:20] = 2
    for x in range(0, 3000, 30):
        paint[5:15, x : x + 20] = 2 + x // 30 if task == "objects" else 2
    regions = loader([Image(paint)], recipe, (1, 2)).load([Paint(paint)])
    assert len(regions) == 3
    held = np.full((3, 40, 3000), -1)
    for i, region in enumerate(regions):
        (_, x), width = region.key[2], region.held.shape[1]
        held[i, :, x : x + width] = region.held
    both = (held[0] >= 0) & (held[1] >= 0)
    assert both.sum() > 40 * 200
    np.testing.assert_array_equal(held[0][both], held[1][both])


def test_regions_whose_paint_is_unchanged_are_taken_over(small: Recipe):
    stack = np.zeros((3, 40, 40), np.float32)
    first = np.zeros((3, 40, 40), np.uint8)
    first[0, 5:9, 5:9], first[1, 5:9, 5:9], first[1, 30, 30] = 2, 3, 1
    later = first.copy()
    later[1, 20:25, 20:25] = 6
    later[2, 3, 3] = 1
    load = loader([Image(stack, "TYX")], small).load
    old = load([Paint(first)])
    new = load([Paint(later)], old)
    assert new[0] is old[0]
    assert new[1] is not old[1]
    assert torch.equal(new[1].smooth[0], old[1].smooth[0])
    assert len(new) == 3
    assert [r.key for r in load([Paint(first)], new)] == [r.key for r in old]


def test_background_painted_anywhere_counts_everywhere(small: Recipe):
    stack = np.zeros((2, 40, 40), np.float32)
    paint = np.zeros((2, 40, 40), np.uint8)
    paint[0, 5:9, 5:9] = 2
    load = loader([Image(stack, "TYX")], small).load
    (alone,) = load([Paint(paint)])
    assert alone.exact[0, 35, 35] > 0  # objects only: unpainted is background, a little
    paint[1, 3, 3] = 1
    beside = load([Paint(paint)], [alone])[0]
    assert beside.exact[0, 35, 35] == 0


def test_nan_under_paint_is_refused(small: Recipe):
    image = np.zeros((64, 64), np.float32)
    image[7, 8] = np.nan
    paint = np.full((64, 64), 2, np.uint8)
    with pytest.raises(InputError, match="cells has NaN or infinite pixels"):
        loader([Image(image, name="cells")], small).load([Paint(paint)])


# ---- nothing painted is wasted ------------------------------------------------------------------


@pytest.mark.parametrize("label", range(2, 12))
def test_the_only_object_trains_whatever_its_number(label: int, small: Recipe):
    paint = np.zeros((64, 64), np.uint8)
    paint[20:30, 20:30] = label
    paint[40:43, 10:50] = 1
    (region,) = loader([Image(paint)], small).load([Paint(paint)])
    assert 2 in region.places
    assert sampler([region], small).draw().weights.any()


@pytest.mark.parametrize("index", range(11))
def test_the_only_painted_image_trains_whichever_it_is(index: int, small: Recipe):
    blank, paint = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    paint[20:30, 20:30] = 2
    paint[40:43, 10:50] = 1
    paints = [Paint(paint if i == index else blank) for i in range(11)]
    regions = loader([Image(paint)] * 11, small).load(paints)
    draw = sampler(regions, small)
    assert draw.kinds == [1, 2]
    assert draw.draw().weights.any()


@pytest.mark.parametrize("index", range(5))
def test_a_class_of_one_place_trains(index: int):
    recipe = Recipe(task="classes", training={"patch": 32})
    paint = np.zeros((40, 5 * 32), np.uint8)
    paint[2:6] = 1
    paint[20:30, 32 * index + 5 : 32 * index + 20] = 2
    regions = loader([Image(paint)], recipe, (1, 2)).load([Paint(paint)])
    assert sampler(regions, recipe, n_classes=2).kinds == [1, 2]


# ---- training patches ---------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_shapes_of_batches(padding: str, dimensions: int):
    recipe = Recipe(
        network={"depth": 1, "width": 2, "padding": padding, "dimensions": dimensions},
        training={"patch": 17, "batch": 3},
    )
    paint = np.zeros((6, 40, 30), np.uint8)
    paint[2:5, 10:20, 10:20] = 2
    image = Image(np.random.default_rng(0).random((6, 40, 30), np.float32), "ZYX")
    regions = loader([image], recipe).load([Paint(paint)])
    batch = sampler(regions, recipe).draw()
    geometry = geometry_of(recipe.network)
    shape, margin = patch_shape(17, geometry)
    assert batch.pixels.shape == (3, 1, *shape)
    inner = tuple(n - 2 * m for n, m in zip(shape, margin, strict=True))
    assert min(inner) >= 17 and all((m > 0) == (padding == "valid") for m in margin)
    assert batch.values.shape == batch.weights.shape == (3, 2, *inner)
    assert torch.isfinite(batch.pixels).all()
    assert inner == tuple(g.output_size(n) for g, n in zip(geometry, shape, strict=True))


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_patches_of_thick_slices_have_fewer_of_them(padding: str):
    network = {"depth": 2, "width": 2, "padding": padding, "dimensions": 3, "flat_levels": 2}
    recipe = Recipe(network=network, training={"patch": 40, "batch": 1})
    paint = np.zeros((9, 60, 60), np.uint8)
    for label, y in enumerate(range(10, 60, 10), start=2):
        paint[3:6, y : y + 5, 20:30] = label
    paint[:, :3] = 1
    image = Image(np.random.default_rng(0).random(paint.shape, np.float32), "ZYX")
    regions = loader([image], recipe).load([Paint(paint)])
    draw = sampler(regions, recipe)
    batches = [draw.draw() for _ in range(5)]
    assert batches[0].values.shape == (1, 2, 10, 40, 40)
    assert all(batch.weights.any() for batch in batches)  # paint is never missed in Z
    geometry = geometry_of(recipe.network)
    (held, *_) = validation_batches(regions, recipe, geometry, layout_of(recipe))
    assert held.pixels.shape == batches[0].pixels.shape
    shape, _ = patch_shape(1, geometry)
    assert all(g.takes(n) for g, n in zip(geometry, shape, strict=True)) and shape[0] >= 2


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("task", ["objects", "classes"])
def test_labels_lie_on_their_pixels(padding: str, task: str, small: Recipe):
    """Pixels that show the labels themselves, through the whole of a strong warp."""
    quiet = STILL.model_dump()
    warp = Augmentation().model_dump(
        include={"flip", "rotation", "scaling", "elastic", "elastic_grid"}
    )
    plain = small.changed({"network.padding": padding, "training.batch": 4})
    parts = {**plain.model_dump(exclude={"target"}), "augmentation": {**quiet, **warp}}
    recipe = Recipe(**parts, task=task)
    assert recipe.augmentation.elastic > 0 and recipe.augmentation.noise == 0
    y, x = np.mgrid[:120, :120]
    truth = ((y // 20 + x // 20) % 2).astype(np.uint8)
    regions = loader([Image(truth)], recipe, (1, 2)).load([Paint(truth + 1)])
    draw = sampler(regions, recipe, n_classes=2)
    n_sure = 0
    for _ in range(5):
        batch = draw.draw()
        margin = (batch.pixels.shape[-1] - batch.values.shape[-1]) // 2
        inner = slice(margin, batch.pixels.shape[-1] - margin)
        pixels, values = batch.pixels[:, 0, inner, inner], batch.values[:, 0]
        known = batch.weights[:, 0] > 0
        if task == "objects":  # interpolated as the pixels are
            torch.testing.assert_close(values[known], pixels[known], rtol=0, atol=1e-4)
        sure = known & ((pixels < 0.01) | (pixels > 0.99))
        n_sure += int(sure.sum())
        assert torch.equal(pixels[sure].round(), values[sure].round())
        if task == "classes":
            assert torch.equal(values, values.round())
    assert n_sure > 1000


@pytest.mark.parametrize("name", ["missing_section", "blurred_section", "cutout", "noise"])
def test_what_hides_pixels_leaves_labels_and_weights(name: str):
    network = {"depth": 1, "width": 2, "dimensions": 3}
    recipe = Recipe(network=network, training={"patch": 16, "batch": 2})
    hiding = recipe.changed({f"augmentation.{name}": 1})
    paint = np.zeros((8, 40, 40), np.uint8)
    paint[2:5, 10:20, 10:20] = 2
    image = Image(np.random.default_rng(0).random(paint.shape, np.float32), "ZYX")
    regions = loader([image], recipe).load([Paint(paint)])
    one, other = sampler(regions, recipe).draw(), sampler(regions, hiding).draw()
    assert torch.equal(one.values, other.values) and torch.equal(one.weights, other.weights)
    assert not torch.equal(one.pixels, other.pixels)


EVERYTHING = {
    "shear": 30, "misalignment": 5, "invert": 0.5, "background": 1, "blurred_section": 3,
    "missing_section": 0.5, "cutout": 9,
}  # fmt: skip


@pytest.mark.parametrize("shape", [(60, 50), (9, 40, 30), (1, 40, 30)], ids=str)
def test_everything_at_once(shape: tuple[int, ...]):
    """Planes, volumes, and a volume of one slice; twice the same of a seed."""
    recipe = Recipe(
        network={"depth": 1, "width": 2, "padding": "valid", "dimensions": len(shape)},
        training={"patch": 16, "batch": 3},
        augmentation=EVERYTHING,
    )
    paint = np.ones(shape, np.uint8)
    paint[..., 10:20, 10:20] = 2
    image = Image(np.random.default_rng(0).random(shape, np.float32), "ZYX"[-len(shape) :])
    regions = loader([image], recipe).load([Paint(paint)])
    one, same = sampler(regions, recipe), sampler(regions, recipe)
    for _ in range(5):
        batch, again = one.draw(), same.draw()
        assert batch.pixels.isfinite().all() and batch.weights.flatten(1).any(dim=1).all()
        assert torch.equal(batch.pixels, again.pixels)
        assert torch.equal(batch.weights, again.weights)


def test_every_patch_shows_paint(painted: tuple[Image, Paint], small: Recipe):
    image, paint = painted
    recipe = Recipe(**{**small.model_dump(), "augmentation": STILL.model_dump()})
    draw = sampler(loader([image], recipe).load([paint]), recipe)
    for _ in range(20):
        assert draw.draw().weights.flatten(1).any(dim=1).all()


def test_kinds_of_paint_are_drawn_equally_often(small: Recipe):
    """A few dabs of background beside many objects, in other images, are seen as often."""
    paints = [np.zeros((64, 64), np.uint8) for _ in range(3)]
    paints[0][30:32, 30:32] = 1
    paints[1][10:50, 10:50] = paints[2][10:50, 10:50] = 3  # held out in neither
    images = [Image(np.full((64, 64), i, np.float32)) for i in range(3)]
    recipe = small.changed({"training.batch": 50})
    recipe = Recipe(**{**recipe.model_dump(), "augmentation": STILL.model_dump()})
    draw = sampler(loader(images, recipe).load([Paint(p) for p in paints]), recipe)
    shown = torch.cat([draw.draw().pixels for _ in range(10)]).amax(dim=(1, 2, 3)).round()
    share = torch.bincount(shown.long(), minlength=3) / len(shown)
    assert 0.4 < share[0] < 0.6 and 0.15 < share[1] < 0.35


def test_draws_are_seeded(painted: tuple[Image, Paint], small: Recipe):
    image, paint = painted
    regions = loader([image], small).load([paint])
    one, same = sampler(regions, small), sampler(regions, small)
    for _ in range(3):
        a, b = one.draw(), same.draw()
        assert torch.equal(a.pixels, b.pixels) and torch.equal(a.values, b.values)
        assert torch.equal(a.weights, b.weights)


def test_rare_classes_weigh_more_but_not_without_limit():
    recipe = Recipe(task="classes", training={"balance": 1000})
    paint = np.ones((10, 100), np.uint8)
    paint[:, ::10] = 2
    (region,) = loader([Image(paint)], recipe, (1, 2)).load([Paint(paint)])
    layout = layout_of(recipe, 2)
    share = [(region.exact[1] * (region.exact[0] == i)).sum().item() for i in range(2)]
    factors = class_factors([region], layout, limit=1000)[0]
    assert (factors[1] / factors[0]).item() == pytest.approx(share[0] / share[1], rel=1e-4)
    assert (factors @ torch.tensor(share)).item() == pytest.approx(sum(share), rel=1e-4)
    limited = class_factors([region], layout, limit=3)[0]
    assert (limited[1] / limited[0]).item() == pytest.approx(3, rel=1e-4)


def test_objects_are_not_balanced_twice(painted: tuple[Image, Paint], small: Recipe):
    image, paint = painted
    regions = loader([image], small).load([paint])
    assert class_factors(regions, layout_of(small), 3) == []


# ---- validation patches -------------------------------------------------------------------------


@pytest.mark.parametrize("patch", [32, 33])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_validation_patches_are_plain_crops(
    painted: tuple[Image, Paint], small: Recipe, patch: int, padding: str
):
    """Nothing is interpolated: each is a piece of the image and of its targets as they are."""
    image, paint = painted
    recipe = small.changed({"training.patch": patch, "network.padding": padding})
    normal = Normalization().measure(image)
    load = RegionLoader([image], (0,), [normal], paint_encoding_of(recipe), recipe, CPU)
    (region,) = load.load([paint])
    geometry = geometry_of(recipe.network)
    batches = validation_batches([region], recipe, geometry, layout_of(recipe))
    (size, _), (margin, _) = patch_shape(patch, geometry)
    around = [(0, 0), (size, size), (size, size)]
    padded, *targets = np.pad(region.smooth.numpy(), around, mode="reflect")
    known = np.pad(region.held_exact.numpy(), around)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    n = 0
    for batch in batches:
        for pixels, values, weights in zip(*vars(batch).values(), strict=True):
            middle = size // 2
            near = np.abs(windows[:, :, middle, middle] - pixels[0, middle, middle].item()) < 1e-3
            found = [
                (y, x) for y, x in np.argwhere(near)
                if np.allclose(windows[y, x], pixels[0], atol=1e-3)
            ]  # fmt: skip
            assert len(found) == 1
            y, x = (int(i) + margin for i in found[0])
            inner = size - 2 * margin
            crop = slice(y, y + inner), slice(x, x + inner)
            for head in range(2):
                np.testing.assert_allclose(values[head], targets[head][crop], atol=1e-3)
                np.testing.assert_array_equal(weights[head], known[head][crop])
            n += 1
    assert n >= 2


def test_validation_patches_are_the_same_each_time(painted: tuple[Image, Paint], small: Recipe):
    image, paint = painted
    regions = loader([image], small).load([paint])
    geometry = geometry_of(small.network)
    one, other = (validation_batches(regions, small, geometry, layout_of(small)) for _ in range(2))
    assert one and len(one) == len(other)
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


def test_nothing_held_out_nothing_validates(small: Recipe):
    paint = np.zeros((30, 30), np.uint8)
    paint[5:9, 5:9] = 2
    regions = loader([Image(paint)], small).load([Paint(paint)])
    assert validation_batches(regions, small, geometry_of(small.network), layout_of(small)) == []
