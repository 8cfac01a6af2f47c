"""Estimate how large the objects of an image are, by what a model finds at several scales.

A network that was trained on objects of one size finds those of other sizes, too, but not as well:
small ones are missed, and large ones come in pieces. So the image is tried at scales an octave
apart. At the right one, the objects that are found have about the size that the model knows, and
they are most of what it takes for foreground.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from ..arguments import checked
from ..arrays import Pixels
from ..describe import too_little_learnt
from ..device import pick_device, precision
from ..image import Frame, Image
from ..io import ImageLike, as_image
from ..io.model_file import Provenance
from ..io.units import pixel_size
from ..model import Model, as_model
from ..networks import Network, depends_on_image, sides, with_statistics_of
from ..resampling import resampled
from ..targets import Head, Prediction
from ..targets.object_size import SHORTEST, diameters_of_objects, per_axis, thickness
from ..targets.paint import Labels
from ..windows import Window, intersect, shape_of, start_of
from .denoise.denoised_image import denoised_source_of
from .engine import Predictor, by_head
from .reading import tile_reader
from .source import Source
from .tiles import plan_tiles

OCTAVES = range(-3, 3)
"""Scales that are tried, as powers of two: for a model of 24 px, objects of 6 to 192 px."""
COARSEST, FINEST = 2.0 ** (OCTAVES.start - 0.5), 2.0 ** (OCTAVES.stop - 0.5)
"""Scales between which a look at the scale found may lie."""
SIDE = {2: 256, 3: 64}
"""Side of the windows that the network sees at each scale, in pixels, for 2D and 3D networks."""
MOST_WINDOWS = {2: 3, 3: 2}
"""Most windows at a scale."""
ENOUGH_OBJECTS = 20
"""Objects from which on no more windows are seen at a scale."""
UNSURE = 0.2
"""Probability from which on a pixel counts as foreground that objects should explain."""
OCTAVES_TOLERATED = 0.7
"""Octaves by which an object's size differs from the model's when it counts by exp(-1/2)."""
OBJECTS_FOR_HALF_THE_SCORE = 5
"""Number of objects with which a scale counts half as much as with a great many."""
SHARE_OF_BEST_SCORE = 0.8
"""Share of the best score from which scales count as alike, and the coarsest is taken: the texture
of large objects looks like small objects more often than groups of small ones look like large ones.
"""
LEAST_SCORE = 0.05
"""Score below which nothing is concluded: that of noise, and of specks."""
MOST_OCTAVES_OFF = 1.5
"""Octaves by which the size found differs from the model's at most."""
ROUNDS = 2
"""Most looks at the scale that was found, to measure the size there."""
OCTAVES_CLOSE_ENOUGH = 0.3
"""Octaves by which the size found differs from the model's at most, to be taken as it is."""
CLEAR_SCORE = 0.3
"""Score from which on a scale is so good that finer ones are tried only while they are half as
good: they cost most."""
TIMES_THE_SCORE_IN_TRAINING = 1.5
"""Times the score of the size in training that another size needs."""
PLACES, PLACE = 32, 64
"""Number and side in pixels of the pieces among which those with contrast are found."""
CONTRAST = 0.5
"""Share of the highest contrast of a piece from which pieces count."""
NOISE = 0.6
"""Skewness and excess kurtosis below which pixels count as noise, which has next to none. Of 200
images, empty ones alone are below in both, and some with large objects, which need no enlarging.
"""

Place = tuple[Frame, tuple[float, ...]]
"""A frame, and a place in it as shares of its sides."""


@checked
def estimate_object_size(
    model: Model | str | Path,
    image: ImageLike,
    channels: Sequence[int] | None = None,
    device: str | None = None,
) -> float | None:
    """Estimate the median diameter of the objects in an image.

    A few windows with contrast are looked at, the same ones each time. So the cost does not grow
    with the image, and there is one size for all its frames.

    Parameters
    ----------
    model
        A model that knows the size of its objects, its file or its name.
    image, channels, device
        As for `segment`.

    Returns
    -------
    diameter
        In pixels of the image, to two digits. None if hardly any objects are found, or the model
        does not know their size or has hardly learnt.

    Raises
    ------
    InputError
        If the model does not fit the image, or pixels of a sample are NaN or infinite.
    """
    model = as_model(model)
    if model.object_size is None:
        return None
    source = denoised_source_of(model, as_image(image), channels, None, device)
    return estimated_size(source, pick_device(device))


def size_in_training(model: Model, image: Image) -> float | None:
    """Return the diameter that objects have in an image if they are like those of the training.

    Parameters
    ----------
    model
        A model that knows the size of its objects.
    image
        If its pixel size is known, and that of the training images, objects are as large as they
        were in nature; else they have as many pixels.

    Returns
    -------
    diameter
        In pixels of the image, to three digits. None if it differed between the images of the
        training.
    """
    trained = Provenance.model_validate(model.provenance).objects_in_images
    if trained is None or model.object_size is None:
        return None
    diameter, here = trained.diameter, pixel_size(image)
    if trained.pixel_size is not None and here is not None:
        diameter *= trained.pixel_size / here
    return float(f"{diameter:.3g}")


def finds_such_objects(source: Source, factor: float, device: torch.device) -> bool:
    """Return whether a model finds clear objects of the size that it knows in an image.

    Parameters
    ----------
    source
        The image, and a model that knows the size of its objects.
    factor
        By how much the grid on which objects have that size is finer than the image's pixels.
    """
    assert source.model.object_size is not None
    return _Trial(source, device).look(factor).score(source.model.object_size) >= CLEAR_SCORE


def estimated_size(source: Source, device: torch.device) -> float | None:
    """Return what `estimate_object_size` does. Of a part of an image, all of it is looked at."""
    if source.model.object_size is None or source.is_empty or too_little_learnt(source.model):
        return None
    return _Trial(source, device).size()


@dataclass(frozen=True)
class Found:
    """Hold what a model found at one scale.

    Parameters
    ----------
    diameters
        Those of all objects, in pixels at that scale.
    is_whole
        Which objects no edge of a window cuts.
    foreground, in_objects
        Number of pixels that may belong to objects; and how many belong to one, by object.
    """

    diameters: npt.NDArray[np.float64]
    is_whole: npt.NDArray[np.bool_]
    in_objects: npt.NDArray[np.intp]
    foreground: int

    @property
    def diameter(self) -> float | None:
        """Return the median diameter of whole objects; None if there are none."""
        return float(np.median(self.diameters[self.is_whole])) if self.is_whole.any() else None

    def is_about(self, expected: float) -> bool:
        """Return whether the median diameter is nearer to one than to half or twice of it."""
        diameter = self.diameter
        return diameter is not None and abs(math.log2(diameter / expected)) < 0.5

    def score(self, expected: float) -> float:
        """Return how well the objects fit a model that expects this diameter: 0 to 1.

        It is the share of the foreground in objects of that size, less if they are few.
        """
        if not self.is_whole.any():
            return 0.0
        fits = np.exp(-0.5 * (np.log2(self.diameters / expected) / OCTAVES_TOLERATED) ** 2)
        share = float((fits * self.in_objects).sum()) / max(self.foreground, 1)
        return share * float(fits.sum() / (fits.sum() + OBJECTS_FOR_HALF_THE_SCORE))


def _together(parts: Sequence[Found]) -> Found:
    """Return what was found in several windows."""
    return Found(
        np.concatenate([part.diameters for part in parts]),
        np.concatenate([part.is_whole for part in parts]),
        np.concatenate([part.in_objects for part in parts]),
        sum(part.foreground for part in parts),
    )


@dataclass(frozen=True)
class _Trial:
    """Try a model on windows of an image at several scales."""

    source: Source
    device: torch.device

    def size(self) -> float | None:
        """Return the diameter of the objects, in pixels of the image; None if there are none."""
        expected = self.source.model.object_size
        assert expected is not None
        shortest = min(self.source.image.length(axis) for axis in "YX")
        factors = [2.0**k for k in OCTAVES if 2.0**k * shortest >= SHORTEST] or [1.0]
        found: dict[float, Found] = {}
        scores: dict[float, float] = {}
        likely = size_in_training(self.source.model, self.source.image)
        if likely is not None:
            factor = expected / likely
            is_tried = COARSEST <= factor <= FINEST and factor * shortest >= min(SHORTEST, shortest)
            likely = likely if is_tried else None
        least = LEAST_SCORE
        if likely is not None:
            seen = self.look(expected / likely)
            if seen.score(expected) >= CLEAR_SCORE and seen.is_about(expected):
                return likely
            least = max(LEAST_SCORE, TIMES_THE_SCORE_IN_TRAINING * seen.score(expected))
        if all(map(_is_noise, self._channels())):
            factors = [factor for factor in factors if factor <= 1]
        for factor in factors:
            found[factor] = self.look(factor)
            scores[factor] = found[factor].score(expected)
            best = max(scores.values())
            if best >= CLEAR_SCORE and scores[factor] < best / 2:
                break
        if best < least:
            return likely
        factor = min(f for f, score in scores.items() if score >= SHARE_OF_BEST_SCORE * best)
        diameter = found[factor].diameter
        for _ in range(ROUNDS):
            if diameter is None or abs(math.log2(diameter / expected)) < OCTAVES_CLOSE_ENOUGH:
                break
            closer = factor * expected / diameter
            again = self.look(closer).diameter if FINEST >= closer >= COARSEST else None
            if again is None:
                break
            factor, diameter = closer, again
        if diameter is None or abs(math.log2(diameter / expected)) > MOST_OCTAVES_OFF:
            return None
        return float(f"{diameter / factor:.2g}")

    def look(self, factor: float) -> Found:
        """Return what the model finds at a scale."""
        along_z = self.source.along_z_for(factor)
        image = resampled(self.source.image, per_axis(factor, along_z))
        parts: list[Found] = []
        for frame, window in self._windows(image):
            parts.append(self._find(image, frame, window))
            if sum(int(part.is_whole.sum()) for part in parts) >= ENOUGH_OBJECTS:
                break
        return _together(parts)

    def _windows(self, image: Image) -> Iterator[tuple[Frame, Window]]:
        """Yield windows of the resampled image around the places with contrast.

        Of places that lie close together, only the first has a window.
        """
        model, seen = self.source.model, list[tuple[Frame, Window]]()
        shape = image.frame_shape(model.dimensions)
        side = sides(SIDE[model.dimensions], model.network.geometry)
        for frame, place in self._places:
            window = _around(place, side, shape)
            if any(frame == f and _overlap_mostly(window, w) for f, w in seen):
                continue
            yield frame, window
            seen.append((frame, window))
            if len(seen) == MOST_WINDOWS[model.dimensions]:
                return

    def _find(self, image: Image, frame: Frame, window: Window) -> Found:
        """Return what the model finds in a window; pixels around it are not seen."""
        source, model = self.source, self.source.model
        shape = shape_of(window)
        (tile,) = plan_tiles(shape, shape, model.network.geometry, halo=[0] * len(shape))
        tile = tile.shifted(start_of(window))
        read = tile_reader(image, frame, source.channels, source.statistics, model.dimensions)
        pixels = torch.from_numpy(read(tile))[None]
        answer = self._predictor_for(pixels)(pixels, tile.margin)[0].float().cpu().numpy()
        prediction = by_head(answer[(slice(None), *tile.crop)], model.encoding.heads)
        labels = model.encoding.decode(prediction, model.parameters)
        probability = _foreground(prediction, model.encoding.heads)
        return _measured(labels, probability, thickness(image) or 1.0)

    def _predictor_for(self, pixels: torch.Tensor) -> Predictor:
        """Return the network; if it normalizes features by the image, it does so by this window."""
        network = self.source.model.network
        if depends_on_image(network):
            return self._predictor(with_statistics_of(network, pixels))
        return self._fixed

    @cached_property
    def _fixed(self) -> Predictor:
        return self._predictor(self.source.model.network)

    def _predictor(self, network: Network) -> Predictor:
        heads = self.source.model.encoding.heads
        return Predictor(network, heads, self.device, precision(self.device))

    @cached_property
    def _places(self) -> list[Place]:
        """Return the places of the image that have contrast.

        Of an image that is mostly empty, hardly any place would show an object otherwise.
        """
        contrasts = [
            float(np.clip(pixels, 0, 1).std(dtype=np.float64)) for _, pixels in self._pieces
        ]
        limit = CONTRAST * max(contrasts)
        pairs = zip(self._pieces, contrasts, strict=True)
        return [place for (place, _), contrast in pairs if contrast >= limit]

    def _channels(self) -> Iterator[Pixels]:
        """Yield the pixels ``(n,)`` of all pieces, channel by channel."""
        for parts in zip(*(pixels for _, pixels in self._pieces), strict=True):
            yield np.concatenate([part.ravel() for part in parts])

    @cached_property
    def _pieces(self) -> list[tuple[Place, Pixels]]:
        """Return pieces of the image ``(C, *piece)``, drawn at random, the same each time."""
        source, rng = self.source, np.random.default_rng(0)
        shape = source.image.frame_shape(source.model.dimensions)
        frames = list(source.image.frames(len(shape)))
        side = sides(PLACE, source.model.network.geometry)
        pieces = list[tuple[Place, Pixels]]()
        for _ in range(PLACES):
            frame = frames[int(rng.integers(len(frames)))]
            centre = tuple(rng.random(len(shape)).tolist())
            raw = source.image.read(frame, _around(centre, side, shape), source.channels)
            pixels = source.statistics.apply_checked(raw, source.image.name, "")
            pieces.append(((frame, centre), pixels))
        return pieces


def _is_noise(pixels: Pixels) -> bool:
    """Return whether pixels ``(n,)`` are all alike, or distributed as those of noise are.

    Noise that a camera has smoothed looks like objects where the image is enlarged.
    """
    if np.ptp(pixels) == 0:
        return True
    exact = pixels.astype(np.float64)
    return bool(max(abs(stats.skew(exact)), abs(stats.kurtosis(exact))) < NOISE)


def _around(centre: Sequence[float], side: Sequence[int], shape: Sequence[int]) -> Window:
    """Return a window around a place, given as shares of the frame; all of it if that is small."""
    window = []
    for c, length, n in zip(centre, side, shape, strict=True):
        start = min(max(0, round(c * n) - length // 2), max(0, n - length))
        window.append(slice(start, min(start + length, n)))
    return tuple(window)


def _overlap_mostly(window: Window, other: Window) -> bool:
    """Return whether two windows of one shape have more than half of their pixels in common."""
    common = shape_of(intersect(window, other))
    return 2 * math.prod(common) > math.prod(shape_of(window))


def _foreground(prediction: Prediction, heads: Sequence[Head]) -> npt.NDArray[np.floating[Any]]:
    """Return the probability of objects; of several classes, the first one is background."""
    first = prediction[heads[0].name]
    return np.asarray(1 - first[0] if heads[0].kind == "categorical" else first[0])


def _measured(
    labels: Labels, probability: npt.NDArray[np.floating[Any]], anisotropy: float
) -> Found:
    """Return the objects of a window ``(*window)``, numbered from 1 without gaps."""
    diameters = diameters_of_objects(np.pad(labels, 1), anisotropy)
    is_whole = np.ones(len(diameters) + 1, bool)
    for axis, end in itertools.product((-2, -1), (0, -1)):
        is_whole[np.unique(labels.take(end, axis))] = False
    n_unsure = int(np.count_nonzero((probability > UNSURE) | (labels > 0)))
    return Found(diameters, is_whole[1:], np.bincount(labels.ravel())[1:], n_unsure)
