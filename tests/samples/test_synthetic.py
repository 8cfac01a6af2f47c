"""Nuclei look like nuclei, and their truth is true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_scribe.errors import InputError
from napari_scribe.samples import Sample, nuclei


@pytest.fixture(scope="module", params=[(256, 256), (32, 96, 96)], ids=["2D", "3D"])
def sample(request: pytest.FixtureRequest) -> Sample:
    return nuclei(request.param, seed=3)


def touching_pairs(truth: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of objects that have two neighbouring pixels."""
    pairs = set()
    for axis in range(truth.ndim):
        a = np.moveaxis(truth, axis, 0)[:-1]
        b = np.moveaxis(truth, axis, 0)[1:]
        meets = (a != b) & (a > 0) & (b > 0)
        pairs |= {(min(p), max(p)) for p in zip(a[meets].tolist(), b[meets].tolist(), strict=True)}
    return pairs


def test_types_and_shapes(sample: Sample):
    assert sample.image.dtype == np.uint16
    assert sample.truth.dtype == np.int32
    assert sample.paint.dtype == np.uint8
    assert sample.image.shape == sample.truth.shape == sample.paint.shape


def test_every_nucleus_is_one_piece(sample: Sample):
    labels = np.unique(sample.truth)
    assert labels.tolist() == list(range(len(labels)))
    for label in labels[1:]:
        assert ndimage.label(sample.truth == label)[1] == 1


def test_some_nuclei_touch_and_some_stand_alone(sample: Sample):
    pairs = touching_pairs(sample.truth)
    crowd = {label for pair in pairs for label in pair}
    assert len(pairs) >= 2
    assert len(crowd) < sample.truth.max()


def test_every_nucleus_is_brighter_than_its_surroundings(sample: Sample):
    background = np.median(sample.image[sample.truth == 0])
    means = ndimage.mean(sample.image, sample.truth, np.arange(1, sample.truth.max() + 1))
    assert np.mean(means > 1.5 * background) > 0.9


def test_noise_is_that_of_a_camera(sample: Sample):
    """Brighter is noisier (shot noise), and dark is not silent (read noise)."""
    smooth = ndimage.gaussian_filter(sample.image.astype(float), 2)
    residual = np.abs(sample.image - smooth)
    dark, bright = smooth < np.quantile(smooth, 0.2), smooth > np.quantile(smooth, 0.98)
    assert residual[bright].mean() > 2 * residual[dark].mean() > 4


def test_ten_nuclei_and_some_background_are_painted(sample: Sample):
    assert np.unique(sample.paint).tolist() == list(range(12))
    assert not np.any(sample.truth[sample.paint == 1])
    for value in range(2, 12):
        labels = np.unique(sample.truth[sample.paint == value])
        assert len(labels) == 1
        assert np.array_equal(sample.truth == labels[0], sample.paint == value)


def test_paint_lies_together():
    sample = nuclei((512, 512), seed=0)
    y, x = np.nonzero(sample.paint > 1)
    assert np.ptp(y) * np.ptp(x) < 0.5 * sample.paint.size
    assert (sample.paint > 0).mean() < 0.1


def test_the_same_seed_gives_the_same_sample():
    one, again, other = nuclei((64, 80), 5), nuclei((64, 80), 5), nuclei((64, 80), 6)
    for name in ("image", "truth", "paint"):
        assert np.array_equal(getattr(one, name), getattr(again, name))
    assert not np.array_equal(one.image, other.image)


def test_density_does_not_depend_on_the_size():
    small, large = (nuclei((n, n), 0).truth for n in (256, 512))
    assert 0.1 < (small > 0).mean() < 0.35
    assert 0.1 < (large > 0).mean() < 0.35


@pytest.mark.parametrize("shape", [(8, 8), (8, 200), (8, 40, 40)])
def test_small_shapes_work(shape: tuple[int, ...]):
    assert nuclei(shape).truth.max() >= 1


@pytest.mark.parametrize("shape", [(64,), (4, 64), (2, 8, 64, 64), (0, 64)])
def test_bad_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(InputError, match="at least 8 pixels"):
        nuclei(shape)
