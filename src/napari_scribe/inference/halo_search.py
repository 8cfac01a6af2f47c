"""The smallest halo that is good enough for an image: what a network sees is less than it could.

Most of what an output pixel can see hardly changes it (the effective receptive field, Luo et al.
2016, https://arxiv.org/abs/1701.04128). So a smaller halo gives almost the same answer; by how much
it differs is measured at some places of the image itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..image import Frame
from ..targets import count_channels
from .engine import Predictor, into, predict_tiles
from .source import Source
from .tiles import Tile, plan_tiles

BOUND = 0.02
"""Largest change of a probability that passes."""
N_PLACES = 12
SIDE = {2: 128, 3: 32}
"""What is kept at each of them, in pixels."""


@dataclass(frozen=True)
class Found:
    """A halo, and what it costs.

    Parameters
    ----------
    halo
        Pixels per axis.
    exact
        Those that would change nothing.
    error
        Largest change of a probability that was seen.
    n_pixels
        How many pixels were looked at.
    """

    halo: list[int]
    exact: list[int]
    error: float
    n_pixels: int

    def in_words(self) -> str:
        """One sentence for the user."""
        if self.halo == self.exact:
            return f"No smaller halo keeps changes below {BOUND:g}: the exact one is used."
        shown, whole = (" x ".join(map(str, sizes)) for sizes in (self.halo, self.exact))
        return (
            f"Quick: a halo of {shown} px instead of {whole} changed probabilities by at most "
            f"{self.error:.2g} (in {self.n_pixels:,} pixels of this image)."
        )


def smallest_halo(predictor: Predictor, source: Source, seed: int = 0) -> Found:
    """Measure halos on an image, from the smallest on, until one is good enough.

    Parameters
    ----------
    predictor
        Gives probabilities.
    source
        Where to look: the brightest of some random places, as empty ones tell nothing.
    """
    geometry = predictor.geometry
    exact = [g.halo for g in geometry]
    places = _places(source, np.random.default_rng(seed))
    wanted = [_answer(predictor, source, frame, tile, exact) for frame, tile in places]
    n_pixels = sum(answer[0].size for answer in wanted)
    for k in range(max(-(-e // g.stride) for e, g in zip(exact, geometry, strict=True))):
        halo = [
            max(g.shrinkage, min(k * g.stride, e)) for e, g in zip(exact, geometry, strict=True)
        ]
        error = 0.0
        for (frame, tile), answer in zip(places, wanted, strict=True):
            found = _answer(predictor, source, frame, tile, halo)
            error = max(error, float(np.abs(found - answer).max()))
            if error > BOUND:
                break
        if error <= BOUND:
            return Found(halo, exact, error, n_pixels)
    return Found(exact, exact, 0.0, n_pixels)


def _places(source: Source, rng: np.random.Generator) -> list[tuple[Frame, Tile]]:
    """Where there is most to see, among random places; as tiles without a halo."""
    side = SIDE[source.model.dimensions]
    frames, geometry = source.frames(), source.model.network.geometry
    tiles = plan_tiles(source.frame_shape, side, geometry)
    seen = []
    for i in rng.choice(len(tiles), min(len(tiles), 4 * N_PLACES), replace=False):
        frame = frames[int(rng.integers(len(frames)))]
        pixels = source.reader(frame)(tiles[i])
        seen.append((float(pixels.std()), frame, tiles[i]))
    seen.sort(key=lambda place: place[0], reverse=True)
    return [(frame, tile) for _, frame, tile in seen[:N_PLACES]]


def _answer(
    predictor: Predictor, source: Source, frame: Frame, tile: Tile, halo: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Answers for what a tile keeps, seen through a halo."""
    shape = tile.kept_shape
    (alone,) = plan_tiles(shape, shape, predictor.geometry, halo)
    placed = alone.shifted([s.start for s in tile.keep])
    answer = np.zeros((count_channels(predictor.heads), *shape), np.float32)
    for _ in predict_tiles([predictor], [placed], source.reader(frame), into(answer, tile.keep)):
        pass
    return answer
