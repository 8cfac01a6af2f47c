"""What features are measured on, in networks that normalize them by the image."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import torch

from napari_scribe.image import Image
from napari_scribe.inference.per_image import SAMPLE, sample_of
from napari_scribe.inference.source import source_of
from napari_scribe.model import Model
from napari_scribe.networks import geometry_of
from napari_scribe.normalization import Statistics
from napari_scribe.recipe import UNet

RNG = np.random.default_rng(0)
GEOMETRY = geometry_of(UNet(depth=1))
NORMALIZED = Statistics(
    low=np.zeros(1, np.float32),
    high=np.full(1, 200, np.float32),
    flat=np.zeros(1, bool),
    noise=np.zeros(1, np.float32),
    nodata=(0,),
)


def test_pieces_are_sampled_where_there_is_something():
    """Neither from what has no data, the left half here, nor from the even background."""
    values = np.full((2000, 2100), 10, np.uint16)
    values[:, :1000] = 0
    values[100:1600, 1050:2050] = RNG.integers(10, 200, (1500, 1000))
    sample = sample_of(GEOMETRY, Image(values, "YX", nodata=0), [0], NORMALIZED)
    assert sample.numel() > SAMPLE[2] / 2
    assert (sample.flatten(1) > 0.06).any(dim=1).all()
    assert (sample == 0).float().mean() < 0.05


def test_an_image_without_data_is_sampled_all_the_same():
    values = np.zeros((800, 800), np.uint16)
    sample = sample_of(GEOMETRY, Image(values, "YX", nodata=0), [0], NORMALIZED)
    assert sample.numel() > SAMPLE[2] / 2 and not sample.any()


def test_a_network_goes_with_its_source_to_other_processes(random_model: Callable[..., Model]):
    """There it is not measured again: other processors round otherwise."""
    model = random_model(normalization="instance")
    one, other = (Image(RNG.random((80, 90), np.float32), "YX") for _ in range(2))
    source = source_of(model, one, None, None)
    sent = pickle.loads(pickle.dumps(source.with_image(other)))
    assert np.array_equal(sent.image.data, other.data)
    state, same = source.network.state_dict(), sent.network.state_dict()
    assert all(torch.equal(v, same[k]) for k, v in state.items())
    measured = source_of(model, other, None, None).network.state_dict()
    assert not all(torch.equal(v, measured[k]) for k, v in state.items())
