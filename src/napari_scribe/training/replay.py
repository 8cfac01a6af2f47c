"""Choose the sample of patches that a model keeps, and learn from it again in a fine-tuning.

A small share of old patches, as different from each other as possible, keeps what was known.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..image import Image
from ..io.replay import LARGEST_VALUE, MOST_PATCHES, Patches, Replay
from ..model import Model
from ..networks import Geometry, sides
from ..normalization import Statistics
from ..recipe import ObjectsTarget
from ..targets import Paint, paint_encoding_of
from ..targets.objects import renumbered, with_ring
from ..targets.paint import Labels
from ..windows import Window
from .checkpoint import TrainState
from .patches import PaintData
from .regions import Region, RegionLoader
from .setup import Setup

MOST_CANDIDATES = 512
"""How many patches of new images are compared at most."""
PERCENTILES = 1, 10, 25, 50, 75, 90, 99
NO_REPLAY = (
    "The model to start from keeps no sample of what it learnt, so it cannot be checked whether "
    "fine-tuning harms that."
)
UNREADABLE_REPLAY = NO_REPLAY.replace("keeps no sample", "has a damaged sample")


def known_before(start: Model) -> tuple[Patches | None, str]:
    """Return the sample of a model to start from, and what the user should know about it."""
    if start.replay is None:
        return None, NO_REPLAY
    try:
        return start.replay.patches(len(start.channels), start.dimensions), ""
    except ValueError:
        return None, UNREADABLE_REPLAY


def replay_data(patches: Patches, setup: Setup, state: TrainState) -> PaintData:
    """Return what draws from a sample: each patch is an image of its own."""
    n_channels = len(setup.channels)
    zeros = np.zeros(n_channels, np.float32)
    as_they_are = Statistics(zeros, zeros + 1, zeros > 0, zeros)
    recipe = setup.recipe
    if isinstance(recipe.target, ObjectsTarget):  # the ring is painted already, see `_cut`
        recipe = recipe.changed({"target.ring": 0})
    axes = "CZYX" if recipe.network.dimensions == 3 else "CYX"
    loader = RegionLoader(
        [Image(pixels, axes) for pixels in patches.normalized()],
        tuple(range(n_channels)),
        [as_they_are] * len(patches),
        paint_encoding_of(recipe, setup.painted, setup.offset, n_channels),
        recipe,
        setup.device,
    )
    paints = [Paint(paint, axes=axes[1:], pieces=False) for paint in patches.paint]
    return PaintData(loader, state.network.geometry, state.generator, paints)


def replay_of(
    regions: Sequence[Region],
    setup: Setup,
    geometry: Sequence[Geometry],
    before: Patches | None = None,
) -> Replay | None:
    """Return the sample that a model keeps of what it learnt from; None if nothing can be kept.

    Parameters
    ----------
    regions
        What it was trained on.
    geometry
        That of the network, per axis.
    before
        The sample of the model that it started from: some of that is kept as well.
    """
    shape = sides(setup.recipe.training.patch, geometry)
    if before is not None:
        shape = before.paint.shape[1:]
    windows = [(r, w) for r in regions for w in _painted_windows(r, shape)]
    at = np.linspace(0, len(windows) - 1, min(len(windows), MOST_CANDIDATES)).astype(int)
    groups, parts = [], []
    for _, chosen in itertools.groupby((windows[i] for i in at), lambda pair: pair[0].key):
        (region, *_), chosen_windows = zip(*chosen, strict=True)
        for pixels, paint in _cut(region, chosen_windows, shape, setup):
            if 0 < paint.max() <= LARGEST_VALUE:
                groups.append(region.key[0])
                parts.append(Patches.quantized(pixels[np.newaxis], paint[np.newaxis]))
    if before is not None:
        parts.append(before)
        groups += [-1 - i for i in range(len(before))]  # each is of an image of its own
    if not parts:
        return None
    patches = Patches.joined(parts)
    return Replay.packed(patches.selected(_in_order(_features(patches), groups)))


def _painted_windows(region: Region, shape: tuple[int, ...]) -> Iterator[Window]:
    """Yield windows of a shape, side by side over a region, that hold painted places."""
    spatial = region.smooth.shape[1:]
    places = np.concatenate(
        [p.numpy() for p in region.places.values()] or [np.zeros((0, len(shape)))]
    )
    axes = []
    for n, side in zip(spatial, shape, strict=True):
        starts = np.linspace(0, max(0, n - side), -(-n // side)).round().astype(int)
        axes.append([slice(int(a), int(a) + side) for a in starts])
    for window in itertools.product(*axes):
        low, high = ([getattr(s, end) for s in window] for end in ("start", "stop"))
        if ((places >= low) & (places < high)).all(axis=1).any():
            yield window


def _cut(
    region: Region, windows: Sequence[Window], shape: tuple[int, ...], setup: Setup
) -> Iterator[tuple[npt.NDArray[np.float32], Labels]]:
    """Yield pixels ``(C, *shape)`` and paint ``(*shape)`` of windows; what is small is mirrored.

    The paint of objects that a window cuts is left out: they would look as if they ended there.
    Strokes inside objects are left out, too. The ring around objects is painted before, so that it
    does not reach into these.
    """
    paint, target = region.painted(), setup.recipe.target
    sizes = np.zeros(0, np.intp)
    if isinstance(target, ObjectsTarget):
        paint = renumbered(np.maximum(paint, 0))  # without what is painted only in part
        sizes = np.bincount(paint.ravel())
        paint, _ = with_ring(paint, np.zeros(paint.shape, bool), target.ring)
    for window in windows:
        cut = paint[window]
        if len(sizes):
            cut = renumbered(_without_cut(cut, sizes))
        pixels = region.smooth[(slice(len(setup.channels)), *window)].cpu().numpy()
        missing = [(0, side - n) for side, n in zip(shape, cut.shape, strict=True)]
        yield np.pad(pixels, [(0, 0), *missing], "symmetric"), np.pad(cut, missing)


def _without_cut(paint: Labels, sizes: npt.NDArray[np.intp]) -> Labels:
    """Return paint without the objects that had more pixels, given for each label, before."""
    is_cut = np.bincount(paint.ravel(), minlength=len(sizes)) < sizes
    is_cut[:2] = False
    return np.where(is_cut[paint], 0, paint)


def _features(patches: Patches) -> npt.NDArray[np.float64]:
    """Return numbers ``(N, n)`` by which patches are told apart: how bright, sharp and full."""
    pixels = patches.normalized()
    flat = pixels.reshape(len(pixels), -1)
    paint = patches.paint.reshape(len(pixels), -1)
    slopes = [
        np.abs(np.diff(pixels, axis=axis)).mean(axis=tuple(range(1, pixels.ndim)))
        for axis in range(2, pixels.ndim)
        if pixels.shape[axis] > 1
    ]
    rows = [
        *np.percentile(flat, PERCENTILES, axis=1),
        *slopes,
        (paint > 1).mean(axis=1),
        (paint > 0).mean(axis=1),
        np.log1p([len(np.unique(row)) for row in paint]),
    ]
    features = np.array(rows).T
    return np.asarray((features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6))


def _in_order(features: npt.NDArray[np.float64], groups: Sequence[int]) -> list[int]:
    """Order patches so that the first ones, however many, differ much and are of many images.

    Each is the farthest from those before, among images that had their turn least often.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    order: list[int] = []
    turns, is_left = np.zeros(len(groups), int), np.ones(len(groups), bool)
    distance = -np.abs(features).sum(axis=1)  # the first is the most ordinary one
    while is_left.any() and len(order) < MOST_PATCHES:
        in_turn = np.flatnonzero(is_left & (turns == turns[is_left].min()))
        chosen = int(in_turn[np.argmax(distance[in_turn])])
        away = np.linalg.norm(features - features[chosen], axis=1)
        distance = np.minimum(distance, away) if order else away
        order.append(chosen)
        is_left[chosen] = False
        turns[numbers == numbers[chosen]] += 1
    return order
