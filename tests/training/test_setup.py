"""Everything that can be wrong is said before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.io import write_tiff
from napari_scribe.model import Model, build_network
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint
from napari_scribe.training.setup import set_up
from napari_scribe.training.train import train

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 1000, (40, 50)).astype(np.uint16)
PAINT = np.zeros((40, 50), np.uint8)
PAINT[3:5], PAINT[10:20, 10:20], PAINT[10:20, 30:40] = 1, 2, 3
ONES = np.minimum(PAINT, 1)
CLASSES = Recipe(task="classes")


def with_nan() -> np.ndarray:
    pixels = PIXELS.astype(np.float32)
    pixels[1, 1] = np.nan
    return pixels


def check(images: list[Any], paints: list[Any], recipe: Recipe | None = None, **options: Any):
    return set_up(
        images,
        paints,
        recipe,
        options.get("channels"),
        options.get("start"),
        options.get("device", "cpu"),
    )


@pytest.mark.parametrize(
    ("images", "paints", "recipe", "said"),
    [
        ([], [], None, "0 images and 0 paints: give one paint for each image"),
        ([PIXELS], [], None, "1 images and 0 paints"),
        ([PIXELS], [PAINT, PAINT], None, "1 images and 2 paints"),
        ([PIXELS], [0 * PAINT], None, "Nothing is painted yet. Paint some objects"),
        ([PIXELS], [0 * PAINT], CLASSES, "Nothing is painted yet. Paint a few strokes of each"),
        ([PIXELS], [Paint(0 * PAINT, complete=True)], None, "The paint holds no object"),
        ([PIXELS], [ONES], None, "The paint holds no object: everything has label 1"),
        ([PIXELS], [ONES], CLASSES, "Only class 1 is painted"),
        ([PIXELS], [Paint.from_mask(0 * PAINT)], CLASSES, "Only class"),
        ([PIXELS], [PAINT[:, 1:]], None, r"The paint has shape \(40, 49\) but image has"),
        ([PIXELS], [np.stack([PAINT, PAINT])], None, "The paint has shape"),
        ([PIXELS], [PAINT.astype(float)], None, "needs whole numbers"),
        ([PIXELS], [PAINT.astype(int) - 1], None, "values of 0 and up, this one has negative"),
        ([with_nan()], [PAINT], None, "has NaN or infinite pixels"),
        (
            [np.full((40, 50), 9)],
            [PAINT],
            None,
            "nothing stands out from an even background, so there is",
        ),
        ([PIXELS > 9999], [PAINT], None, "nothing stands out from an even background"),
        ([PIXELS.astype(complex)], [PAINT], None, "it needs real numbers"),
        (
            [PIXELS, Image(np.stack([PIXELS] * 2), "CYX", name="two")],
            [PAINT, PAINT],
            None,
            "two has 2 channels, image has 1: train on images with the same channels",
        ),
        ([PIXELS], [PAINT], Recipe(network={"dimensions": 3}), "a 3D model needs a Z axis"),
        (
            [PIXELS, PIXELS],
            [PAINT, Paint.from_mask(PAINT)],
            CLASSES,
            "Some paints are masks and others are not",
        ),
        (
            [np.arange(400).reshape(20, 20)],
            [np.arange(400).reshape(20, 20)],
            CLASSES,
            "399 classes, more than 256. Are these objects",
        ),
        ([PIXELS], [Paint(PAINT, complete=[((0, 9),)])], None, "complete"),
        (["nowhere.tif"], [PAINT], None, "nowhere.tif does not exist"),
    ],
)
def test_bad_input(images: list[Any], paints: list[Any], recipe: Recipe | None, said: str):
    with pytest.raises(InputError, match=said):
        check(images, paints, recipe)
    with pytest.raises(InputError, match=said):
        train(images, paints, recipe, steps=1)  # before the first step is asked for


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "0 steps train nothing"),
        ({"steps": -1}, "-1 steps train nothing"),
        ({"seconds": 0}, "0 seconds train nothing"),
        ({"seconds": float("nan")}, "seconds train nothing"),
        ({"device": "banana"}, "'banana' cannot be used"),
        ({"channels": [1]}, "one channel only"),
        ({"channels": []}, "one channel only"),
    ],
)
def test_bad_options(options: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        train([PIXELS], [PAINT], **options)


def test_a_wrong_limit_is_said_before_images_are_opened():
    with pytest.raises(InputError, match="0 seconds train nothing"):
        train(["gone.tif"], ["gone.tif"], seconds=0)


def test_what_is_fine():
    for paint, recipe in [
        (PAINT, None),
        (PAINT * (PAINT > 1), None),  # objects only
        (PAINT, CLASSES),
        (Paint.from_mask(PAINT), None),
        (Paint(PAINT * (PAINT > 1), complete=True), None),
        (Paint(PAINT * (PAINT == 2), complete=[((0, 40), (0, 25))]), CLASSES),
        (PAINT.astype(np.int64), None),
    ]:
        check([PIXELS], [paint], recipe)
    blank = 0 * PAINT
    setup = check([PIXELS, PIXELS], [blank, PAINT])  # not every image needs paint
    assert len(setup.statistics) == 2
    check([PIXELS, np.full((40, 50), 3, np.uint16)], [PAINT, blank])


def test_a_volume_of_one_slice_is_no_volume():
    recipe = Recipe().changed({"network.dimensions": 3})
    image = np.random.default_rng(0).normal(size=(1, 32, 32)).astype(np.float32)
    with pytest.raises(InputError, match="has one slice along Z: a 3D network needs more"):
        check([Image(image, "ZYX")], [np.full((1, 32, 32), 2)], recipe)


@pytest.mark.parametrize(
    ("distances", "known"), [([2.0], 2), ([2.0, 2.4], 2.2), ([2.0, 4.0], None), ([2.0, None], None)]
)
def test_slices_lie_as_far_apart_as_all_volumes_say(distances: list[Any], known: float | None):
    volume, paint = np.stack([PIXELS] * 6), np.stack([PAINT] * 6)
    images = [
        Image(volume, "ZYX", scale={"Z": z, "Y": 1, "X": 1}, units={"Z": "micrometer"})
        if z
        else Image(volume, "ZYX")
        for z in distances
    ]
    recipe = Recipe().changed({"network.dimensions": 3})
    setup = check(images, [paint] * len(images), recipe)
    assert setup.thickness == pytest.approx(known)
    assert check([PIXELS], [PAINT]).thickness is None


def test_values_of_classes_and_their_offset():
    assert check([PIXELS], [PAINT]).painted == ()
    assert check([PIXELS], [PAINT], CLASSES).painted == (1, 2, 3)
    mask = check([PIXELS], [Paint.from_mask(255 * ONES)], CLASSES)
    assert (mask.painted, mask.offset) == ((1, 256), 1)
    boxed = Paint(PAINT * (PAINT == 2), complete=[((0, 9), (0, 9))])
    assert check([PIXELS], [boxed], CLASSES).painted == (1, 2)


def test_the_floor_is_a_hundredth_of_the_lowest_contrast():
    faint = 500 + PIXELS // 10
    setup = check([PIXELS, faint], [PAINT, PAINT])
    low, high = np.percentile(faint, [1, 99.8])
    assert setup.normalization.floor == pytest.approx(0.01 * (high - low), rel=1e-3)
    assert setup.normalization.dtype == "uint16"


def test_channels_are_chosen():
    image = Image(np.stack([PIXELS, PIXELS // 2, PIXELS // 3]), "CYX")
    assert check([image], [PAINT]).channels == (0, 1, 2)
    setup = check([image], [PAINT], channels=[2, 0])
    assert setup.channels == (2, 0)
    assert len(setup.statistics[0].low) == 2


# ---- fine-tuning --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parent(sample: Sample, small: Recipe) -> Model:
    return run(train([sample.image], [sample.paint], small, steps=1, device="cpu"))


def test_a_child_keeps_what_belongs_to_its_parent(parent: Model):
    setup = check([PIXELS], [PAINT], start=parent)
    assert setup.recipe == parent.recipe
    assert setup.normalization == parent.normalization
    assert setup.channels == parent.channels


@pytest.mark.parametrize(
    "changes", [{"network.width": 8}, {"network.depth": 3}, {"network.padding": "valid"}]
)
def test_a_child_of_another_network_is_refused(parent: Model, changes: dict[str, Any]):
    recipe = parent.recipe.changed(changes)
    with pytest.raises(InputError, match="another network or task than the model to start from"):
        check([PIXELS], [PAINT], recipe, start=parent)


def test_a_child_of_another_task_is_refused(parent: Model):
    recipe = Recipe(**{**parent.recipe.model_dump(exclude={"target"}), "task": "classes"})
    with pytest.raises(InputError, match=r"another network or task.*2D, objects.*2D, classes"):
        check([PIXELS], [PAINT], recipe, start=parent)


def test_a_child_of_other_dimensions_is_refused(parent: Model):
    recipe = parent.recipe.changed({"network.dimensions": 3})
    with pytest.raises(InputError, match=r"the model: 2D, objects; the recipe: 3D, objects"):
        check([np.stack([PIXELS] * 4)], [np.stack([PAINT] * 4)], recipe, start=parent)


def test_a_child_may_learn_in_another_way(parent: Model):
    recipe = parent.recipe.changed({"training.learning_rate": 1e-4, "augmentation.flip": False})
    assert check([PIXELS], [PAINT], recipe, start=parent).recipe == recipe


def test_a_child_on_other_channels_is_refused(parent: Model):
    image = Image(np.stack([PIXELS] * 3), "CYX")
    with pytest.raises(InputError, match="has 3 channels, but this model was trained on 1"):
        check([image], [PAINT], start=parent)


def test_chosen_channels_must_be_the_parents(parent: Model):
    assert check([PIXELS], [PAINT], start=parent, channels=[0]).channels == (0,)
    with pytest.raises(InputError, match="one channel only"):
        check([PIXELS], [PAINT], start=parent, channels=[1])


def test_a_child_may_learn_on_a_chosen_channel(parent: Model):
    image = Image(np.stack([PIXELS] * 3), "CYX")
    assert check([image], [PAINT], start=parent, channels=[2]).channels == (2,)
    with pytest.raises(InputError, match=r"2 channels .* This model sees 1"):
        check([image], [PAINT], start=parent, channels=[0, 1])


@pytest.fixture(scope="module")
def class_parent(sample: Sample, small: Recipe) -> Model:
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": "classes"})
    paint = np.minimum(sample.paint, 2)
    return run(train([sample.image], [paint], recipe, steps=1, device="cpu"))


def test_a_child_has_its_parents_classes(class_parent: Model):
    assert check([PIXELS], [np.minimum(PAINT, 2)], start=class_parent).painted == (1, 2)


def test_a_child_cannot_learn_a_class_that_its_parent_lacks(class_parent: Model):
    with pytest.raises(InputError, match=r"Class 3 .* knows \[1, 2\]"):
        check([PIXELS], [PAINT], start=class_parent)


def test_what_a_model_takes_for_flat(sample: Sample):
    normalization = check([sample.image], [sample.paint]).normalization
    blank = np.random.default_rng(1).normal(120, 4, sample.image.shape).astype(sample.image.dtype)
    assert normalization.measure(Image(blank)).flat.all()
    assert not normalization.measure(Image(sample.image)).flat.any()
    assert not normalization.measure(Image(sample.image / 60000.0)).flat.any()


def test_images_that_are_hardly_more_than_noise_can_be_painted_and_found_again():
    normalization = check([PIXELS], [PAINT]).normalization
    assert not normalization.measure(Image(PIXELS)).flat.any()


def test_files_are_taken_as_they_are(tmp_path: Path):
    write_tiff(tmp_path / "image.tif", PIXELS)
    write_tiff(tmp_path / "paint.tif", PAINT)
    paths = [tmp_path / "image.tif"], [str(tmp_path / "paint.tif")]
    as_they_are = Recipe().changed({"target.object_size": 0})
    np.testing.assert_array_equal(check(*paths, as_they_are).paints[0].array, PAINT)
    np.testing.assert_array_equal(Paint(tmp_path / "paint.tif").array, PAINT)
    for single in (paths[0][0], PIXELS, Image(PIXELS)):
        with pytest.raises(InputError, match="Give lists, even for one image"):
            check(single, [PAINT])  # type: ignore[arg-type]


class Counted(np.ndarray):
    """Pixels that count how often they are read."""

    n_reads = 0

    def __getitem__(self, index: Any) -> Any:
        Counted.n_reads += 1
        return np.asarray(self)[index]


def test_an_image_is_sampled_once_for_all_previews():
    recipe = Recipe(network={"depth": 1, "width": 2, "normalization": "group"})
    setup = check([PIXELS.view(Counted), PIXELS + 1], [PAINT, PAINT], recipe)
    network = build_network(recipe, 1, setup.encoding)
    first = setup.network_for(network, 0).state_dict()
    n_reads = Counted.n_reads
    again = setup.network_for(network, 0).state_dict()
    assert n_reads and Counted.n_reads == n_reads
    assert all(torch.equal(v, again[k]) for k, v in first.items())
    setup.network_for(network, 1)
    setup.network_for(network, 0)
    assert Counted.n_reads > n_reads  # one sample is kept
