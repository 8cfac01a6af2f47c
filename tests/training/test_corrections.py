"""Objects that a person has corrected weigh more than those that were painted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.segmentation import expand_labels

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.normalization import Statistics
from napari_scribe.recipe import Recipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint, paint_encoding_of
from napari_scribe.targets.paint import separated
from napari_scribe.training.regions import Region, RegionLoader
from napari_scribe.training.setup import set_up
from napari_scribe.training.train import paint_data
from napari_scribe.training.trainer import new_state

WEIGHT = 3
AS_IS = Statistics(np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros(1, bool), np.zeros(1))


def loaded(
    sample: Sample, recipe: Recipe, corrected: list[int], old: list[Region] | None = None
) -> list[Region]:
    image, encoding = Image(sample.image.astype(np.float32)), paint_encoding_of(recipe)
    device = torch.device("cpu")
    loader = RegionLoader([image], (0,), [AS_IS], encoding, recipe, device)
    return loader.load([Paint(sample.paint, corrected=corrected)], old or [])


@pytest.mark.parametrize("encoding", ["distance", "border", "affinities"])
def test_their_pixels_and_the_background_around_them_weigh_more(
    sample: Sample, small: Recipe, encoding: str
) -> None:
    recipe = small.changed({"target.encoding": encoding})
    (plain,), (region,) = loaded(sample, recipe, []), loaded(sample, recipe, [3, 5])
    assert region.held_exact is not None and plain.held_exact is not None
    torch.testing.assert_close(region.held_exact, plain.held_exact)  # all are judged alike
    theirs = np.where(np.isin(sample.paint, [3, 5]), sample.paint, 0)
    near = expand_labels(theirs, recipe.target.ring) > 0  # type: ignore[attr-defined]
    chosen = torch.from_numpy((theirs > 0) | (near & (sample.paint < 2)))
    differs = [i for i in range(len(plain.exact)) if (plain.exact[i] != region.exact[i]).any()]
    assert len(differs) == {"distance": 2, "border": 1, "affinities": 2}[encoding]
    for i in differs:
        expected = plain.exact[i] * torch.where(chosen, WEIGHT, 1)
        torch.testing.assert_close(region.exact[i], expected)


def test_a_pair_in_a_corrected_object_weighs_as_much_as_its_pixels(small: Recipe) -> None:
    encoding = paint_encoding_of(small.changed({"target.encoding": "affinities"}))
    labels = torch.full((1, 16, 16), 2.0)
    labels[:, :, :8], weights = 4.0, torch.ones(1, 16, 16)
    weights[:, :, :8] = WEIGHT
    _, known = encoding.encode_warped(labels, weights)
    assert known[0, 0, :-1, :8].unique().tolist() == [WEIGHT]
    assert known[0, 1, :, 7].unique().tolist() == [1]


def test_regions_are_made_anew_where_something_was_corrected(sample: Sample, small: Recipe) -> None:
    first = loaded(sample, small, [3])
    assert loaded(sample, small, [3], first)[0] is first[0]
    assert loaded(sample, small, [3, 999], first)[0] is first[0]
    other = loaded(sample, small, [3, 5], first)[0]
    assert other is not first[0] and other.corrected == (3, 5)


def test_a_training_takes_them_and_newer_ones(sample: Sample, small: Recipe) -> None:
    def losses(first: list[int], then: list[int]) -> list[float]:
        paint = Paint(sample.paint, corrected=first)
        job, found = ns.train([sample.image], [paint], small, steps=4, device="cpu"), []
        for step in job:
            found.append(step.loss)
            if step.index == 2:
                job.update_paint([Paint(sample.paint, corrected=then)])
        return found

    plain, from_start, later = losses([], []), losses([2, 3], [2, 3]), losses([], [2, 3])
    assert from_start[0] != plain[0]
    assert later[:3] == plain[:3] and later[3] != plain[3]


def test_numbers_are_checked_and_follow_their_pieces(sample: Sample) -> None:
    for wrong in ([1], ["all"], 2):
        with pytest.raises(InputError, match="corrected"):
            Paint(sample.paint, corrected=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="classes cannot"):
        paint = Paint(np.minimum(sample.paint, 2), corrected=[2])
        ns.train([sample.image], [paint], {"task": "classes"}, steps=1)
    paint = np.zeros((20, 20), np.uint8)
    paint[2:5, 2:5], paint[2:5, 9:12], paint[12:15, 2:5] = 4, 4, 7
    pieces = separated(Paint(paint, pieces=True, corrected=[4]), 2, "cells")
    assert np.array_equal(np.isin(pieces.array, pieces.corrected), paint == 4)


def test_paint_counts_as_corrected_where_most_of_its_objects_are(
    sample: Sample, small: Recipe
) -> None:
    numbers = [int(n) for n in np.unique(sample.paint) if n > 1]
    half = len(numbers) // 2
    for corrected, expected in ((numbers[:half], False), (numbers[: half + 1], True)):
        setup = set_up(
            [sample.image], [Paint(sample.paint, corrected=corrected)], small, None, None, "cpu"
        )
        state = new_state(setup.recipe, 1, setup.encoding, setup.device, torch.float32, None, None)
        assert paint_data(setup, state).is_corrected is expected
