"""The one object at a place: what a bolder model finds, else a disk."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.image import Image
from napari_scribe.inference.one_object import disk_at, object_at
from napari_scribe.model import Model
from napari_scribe.samples import Sample, nuclei

SIZE = 26.0
"""Diameter of the sample's nuclei, in pixels."""


@pytest.fixture(scope="module")
def sample() -> Sample:
    return nuclei((160, 160))


@pytest.fixture(scope="module")
def model() -> Model:
    return ns.load_model("nuclei")


def test_a_faint_object_is_found_though_the_model_leaves_it_out(
    model: Model, sample: Sample
) -> None:
    """In the second frame of a movie, where the model finds nothing by itself."""
    number = int(np.bincount(sample.truth[30:130, 30:130].ravel())[1:].argmax()) + 1
    truth = sample.truth == number
    timid = model.with_decoding({"foreground": 1.0})
    movie = Image(np.stack([np.full_like(sample.image, 7), sample.image]), "TYX")
    y, x = np.argwhere(truth).mean(axis=0).round().astype(int).tolist()
    found = ns.run(object_at(timid, movie, {"T": 1, "Y": y, "X": x}, diameter=SIZE))
    assert found.is_found
    assert found.region["T"] == slice(1, 2)
    mask = np.zeros(movie.shape, bool)
    mask[tuple(found.region[a] for a in "TYX")] = found.mask
    assert not mask[0].any()
    assert (mask[1] & truth).sum() > 0.6 * (mask[1] | truth).sum()


def test_where_nothing_is_a_disk_is_put(model: Model) -> None:
    empty = Image(np.random.default_rng(0).normal(100, 1, (90, 120)).astype(np.float32))
    found = ns.run(object_at(model, empty, {"Y": 2, "X": 60}, diameter=20))
    assert not found.is_found
    y, x = np.argwhere(found.mask).T + [[found.region[a].start] for a in "YX"]
    assert (y.min(), y.max(), x.min(), x.max()) == (0, 12, 50, 70)


def test_a_disk_lies_in_one_slice() -> None:
    disk = disk_at(Image(np.zeros((5, 30, 30)), "ZYX"), {"Z": 3, "Y": 15, "X": 15}, 8)
    assert disk.mask.shape == (1, 9, 9)
    assert disk.region == {"Z": slice(3, 4), "Y": slice(11, 20), "X": slice(11, 20)}
    assert abs(disk.mask.sum() - np.pi * 16) < 6


def test_a_stopped_search_ends_at_once_and_finds_nothing(model: Model) -> None:
    empty = Image(np.random.default_rng(0).normal(100, 1, (90, 120)).astype(np.float32))
    job = object_at(model, empty, {"Y": 45, "X": 60}, diameter=20)
    next(job)
    job.stop()
    assert list(job) == []
    assert job.result is None
