"""Search for the smallest halo that is good enough for an image.

Most of what an output pixel can see hardly changes it (the effective receptive field, Luo et al.
2016, https://arxiv.org/abs/1701.04128). So a smaller halo gives almost the same answer. How much
the answer differs is measured at some places of the image itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..image import Frame
from ..windows import start_of
from .engine import Predictor, fill_window
from .source import Source
from .tiles import Tile, plan_tiles

BOUND = 0.02
"""Largest change of a probability that is allowed."""
N_PLACES = 12
"""Number of places that are compared."""
SIDE = {2: 128, 3: 32}
"""Side of each place, in pixels, for 2D and 3D networks."""


@dataclass(frozen=True)
class HaloSearch:
    """Hold the smallest halo that is good enough, and how much it changes the answer.

    Parameters
    ----------
    halo
        Pixels per axis.
    exact
        Pixels per axis of the exact halo, which changes nothing.
    error
        Largest change of a probability that was measured.
    n_pixels
        Number of pixels that were compared.
    """

    halo: list[int]
    exact: list[int]
    error: float
    n_pixels: int

    def in_words(self) -> str:
        """Describe the halo to the user in a sentence."""
        if self.halo == self.exact:
            return f"No smaller halo keeps changes below {BOUND:g}: the exact one is used."
        small, exact = (" x ".join(map(str, sizes)) for sizes in (self.halo, self.exact))
        return (
            f"Quick: a halo of {small} px instead of {exact} changed probabilities by at most "
            f"{self.error:.2g} (in {self.n_pixels:,} pixels of this image)."
        )


def smallest_halo(predictor: Predictor, source: Source) -> HaloSearch:
    """Measure halos on an image, from the smallest on, until one is good enough.

    Parameters
    ----------
    predictor
        The network of the source's model, with probabilities as answers.
    source
        The image. It is measured at the brightest of some random places, the same each time,
        because a halo changes nothing in empty parts of the image.
    """
    geometry = predictor.geometry
    exact = [g.halo for g in geometry]
    places = _places(source, np.random.default_rng(0))
    expected = [_answer(predictor, source, frame, tile, exact) for frame, tile in places]
    n_pixels = sum(answer[0].size for answer in expected)
    for k in range(max(-(-e // g.stride) for e, g in zip(exact, geometry, strict=True))):
        halo = [
            max(g.shrinkage, min(k * g.stride, e)) for e, g in zip(exact, geometry, strict=True)
        ]
        error = 0.0
        for (frame, tile), answer in zip(places, expected, strict=True):
            changed = _answer(predictor, source, frame, tile, halo)
            error = max(error, float(np.abs(changed - answer).max()))
            if error > BOUND:
                break
        if error <= BOUND:
            return HaloSearch(halo, exact, error, n_pixels)
    return HaloSearch(exact, exact, 0.0, n_pixels)


def _places(source: Source, rng: np.random.Generator) -> list[tuple[Frame, Tile]]:
    """Return the tiles with the highest contrast among random ones, with their frames."""
    side = SIDE[source.model.dimensions]
    frames, geometry = source.frames(), source.model.network.geometry
    tiles = plan_tiles(source.frame_shape, side, geometry)
    candidates = []
    for i in rng.choice(len(tiles), min(len(tiles), 4 * N_PLACES), replace=False):
        frame = frames[int(rng.integers(len(frames)))]
        pixels = source.reader(frame)(tiles[i])
        candidates.append((float(pixels.std()), frame, tiles[i]))
    candidates.sort(key=lambda candidate: candidate[0], reverse=True)
    return [(frame, tile) for _, frame, tile in candidates[:N_PLACES]]


def _answer(
    predictor: Predictor, source: Source, frame: Frame, tile: Tile, halo: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return the answer for a tile, ``(channels, *keep)``, when it is read with a given halo."""
    shape = tile.kept_shape
    (alone,) = plan_tiles(shape, shape, predictor.geometry, halo)
    shifted = alone.shifted(start_of(tile.keep))
    answer, done = fill_window(predictor, [shifted], source.reader(frame), tile.keep)
    for _ in done:
        pass
    return answer
