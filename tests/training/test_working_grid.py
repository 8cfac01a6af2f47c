"""Images and paint are brought to the grid on which objects have the size that is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_scribe.describe import describe_model
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io.model_file import ImageObjects
from napari_scribe.model import load_model
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.resampling import resampled
from napari_scribe.samples import nuclei
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint
from napari_scribe.targets.object_size import diameter_of_objects
from napari_scribe.training.setup import Setup, set_up
from napari_scribe.training.train import train


def enlarged(sample: Sample, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with its paint, in which everything is larger."""
    pixels = resampled(Image(sample.image, "YX"), {"Y": n, "X": n}).data
    return np.asarray(pixels), np.kron(sample.paint, np.ones((n, n), sample.paint.dtype))


@pytest.fixture(scope="module")
def large(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """An image with its paint, nuclei 104 px wide."""
    return enlarged(sample, 4)


def checked(images: list, paints: list, recipe: Recipe | None = None, **options: object) -> Setup:
    return set_up(images, paints, recipe, None, None, "cpu", **options)  # type: ignore[arg-type]


def test_large_objects_are_shrunk_and_others_left_alone(
    sample: Sample, large: tuple[np.ndarray, np.ndarray]
) -> None:
    setup = checked([sample.image, large[0]], [sample.paint, large[1]])
    near, far = setup.grids.factors
    assert near == 1 and setup.images[0] is setup.own_images[0]
    assert far == pytest.approx(0.25, rel=0.15)
    assert setup.images[1].shape == setup.paints[1].array.shape
    assert setup.images[1].shape == pytest.approx((640 * far, 640 * far), abs=0.5)
    assert setup.grids.object_size == pytest.approx(24, rel=0.15)
    # They have become alike: values, and what is painted.
    size = setup.paints[1].array.shape[0] / 160
    assert (setup.paints[1].array == 2).sum() == pytest.approx(
        size**2 * (sample.paint == 2).sum(), rel=0.1
    )
    assert setup.statistics[1].high == pytest.approx(setup.statistics[0].high, rel=0.1)


def test_images_stay_as_they_are_where_the_recipe_says_so(
    large: tuple[np.ndarray, np.ndarray],
) -> None:
    recipe = Recipe(target={"object_size": None})
    setup = checked([large[0]], [large[1]], recipe)
    assert setup.grids.factors == (1,) and setup.grids.object_size is None
    with pytest.raises(InputError, match="The recipe leaves images as they are"):
        checked([large[0]], [large[1]], recipe, object_size=100)
    classes = Recipe(task="classes")
    with pytest.raises(InputError, match="for the task objects, not for classes"):
        checked([large[0]], [np.minimum(large[1], 2)], classes, object_size=100)


def test_a_size_that_is_given_counts_more_than_paint(
    sample: Sample, large: tuple[np.ndarray, np.ndarray]
) -> None:
    both = [sample.image, large[0]], [sample.paint, large[1]]
    assert checked(*both, object_size=48).grids.factors == (0.5, 0.5)
    setup = checked(*both, object_size=[30, 96])
    assert setup.grids.factors == (1, 0.25)
    assert setup.grids.object_size == 27
    with pytest.raises(InputError, match="3 sizes of objects for 2 images"):
        checked(*both, object_size=[24, 24, 24])
    with pytest.raises(InputError, match="Objects of -1 px make no sense"):
        checked(*both, object_size=-1)
    with pytest.raises(InputError, match="would be brought to 24 px, and its 160 x 160 px to 2 x"):
        checked(*both, object_size=2000)


def test_an_image_without_a_whole_object_is_like_the_others(
    large: tuple[np.ndarray, np.ndarray],
) -> None:
    background = np.zeros_like(large[1])
    background[5:9] = 1
    setup = checked([large[0]] * 2, [large[1], background])
    assert setup.grids.factors[0] == setup.grids.factors[1] < 1
    assert (setup.paints[1].array > 0).any()
    cut = background.copy()
    cut[100:140, :50] = 2  # its only object is cut by the edge
    assert checked([large[0]], [cut]).grids.object_size is None


def test_background_of_complete_paint_stays_background(
    large: tuple[np.ndarray, np.ndarray],
) -> None:
    mask = np.maximum(large[1].astype(np.int32) - 1, 0)
    (paint,) = checked([large[0]], [Paint.from_mask(mask)]).paints
    assert np.asarray(paint.array).min() == 1 and paint.offset == 1
    box = Paint(large[1], complete=[((0, 200), (0, 640))])
    setup = checked([large[0]], [box])
    (paint,), edge = setup.paints, 200 * setup.grids.factors[0]
    assert (paint.array[: int(edge)] > 0).all() and (paint.array[int(edge) + 1 :] == 0).any()


def test_a_model_knows_its_size_and_is_trained_on_at_it(
    large: tuple[np.ndarray, np.ndarray], small: Recipe, tmp_path: Path
) -> None:
    images, paints = [Image(large[0])], [large[1]]
    job = train(images, paints, small, steps=2, device="cpu")
    window = slice(100, 300), slice(50, 151)
    previews = []
    job.request_preview(0, (), window)
    for step in job:
        previews += [step.preview] if step.preview is not None else []
        if step.index == 1:
            job.update_paint([np.where(large[1] == 3, 0, large[1])])
    model = job.result
    assert previews[0].window == window
    assert previews[0].labels.shape == previews[0].probability.shape[1:] == (200, 101)
    assert model.object_size == pytest.approx(24, rel=0.15)
    assert model.provenance["images"][0]["shape"] == [640, 640]
    again = load_model(model.save(tmp_path / "m.zip"))
    assert again.object_size == model.object_size
    assert again.fingerprint() == model.fingerprint()
    assert again.changed(object_size=None).fingerprint() != model.fingerprint()
    assert f"of about {model.object_size:.3g} px" in describe_model(again)
    tuned = run(train(images, paints, start=again, steps=2, device="cpu", keep_worse=True))
    assert tuned.object_size == model.object_size
    with pytest.raises(InputError, match="does not know the size of the objects"):
        train(images, paints, start=again.changed(object_size=None), object_size=100)


def test_a_preview_shows_what_a_larger_one_shows(
    large: tuple[np.ndarray, np.ndarray],
) -> None:
    """What a preview of a window shows follows from the working grid alone."""
    setup = checked([large[0]], [large[1]])
    whole = slice(0, 640), slice(0, 640)
    answer = np.asarray(setup.paints[0].array)
    maps = answer[np.newaxis].astype(np.float32)

    def shown(window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        working = setup.window_on_grid(0, window)
        parts = answer[working], maps[(slice(None), *working)]
        return setup.on_own_pixels(0, working, window, *parts)

    labels, values = shown(whole)
    for window in ((slice(0, 64), slice(600, 640)), (slice(301, 302), slice(17, 540))):
        np.testing.assert_array_equal(shown(window)[0], labels[window])
        np.testing.assert_array_equal(shown(window)[1], values[(slice(None), *window)])
    assert (labels == large[1]).mean() > 0.97


def test_large_nuclei_are_learnt_shrunk_and_found_on_own_pixels(
    sample: Sample, large: tuple[np.ndarray, np.ndarray], small: Recipe
) -> None:
    quick = {"network.width": 8, "training.batch": 4, "training.patch": 48}
    recipe = small.changed({**quick, "training.learning_rate": 0.01, "training.validate_every": 20})
    job = train([large[0]], [large[1]], recipe, steps=200, device="cpu")
    assert "1 image of 1, whose objects are about 1" in job.grids.in_words()
    model = run(job)
    labels = run(segment(model, large[0], object_size=104, device="cpu"))
    truth = np.kron(sample.truth, np.ones((4, 4), np.int32))
    found, true = labels > 0, truth > 0
    assert (found & true).sum() / (found | true).sum() > 0.8
    assert diameter_of_objects(labels) == pytest.approx(diameter_of_objects(truth), rel=0.25)


def test_a_model_for_objects_of_many_sizes_stays_one() -> None:
    """On images of other magnifications it would look for objects of the size of the last ones."""
    one = nuclei((96, 96), seed=1)
    job = train([one.image], [one.paint], start="nuclei", steps=1, device="cpu", keep_worse=True)
    made = run(job).provenance
    assert made["fine_tuning"]["fingerprint"] == load_model("nuclei").fingerprint()
    assert made["objects_in_images"] is None


def test_sizes_are_compared_in_micrometers_where_both_are_known() -> None:
    objects = ImageObjects(diameter=20, pixel_size=0.5)
    assert objects.is_about(ImageObjects(diameter=10, pixel_size=1.0))
    assert not objects.is_about(ImageObjects(diameter=20, pixel_size=1.0))
    assert objects.is_about(ImageObjects(diameter=28))
    assert not objects.is_about(ImageObjects(diameter=32))
