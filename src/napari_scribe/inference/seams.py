"""The seam test: does the answer depend on where the tiles lie?"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..device import pick_device, precision
from ..image import Frame
from ..io import as_image
from ..model import Model, load_model
from ..progress import Job
from ..targets import count_channels
from .denoise.denoised_image import denoised_source_of
from .engine import Predictor, into, predict_tiles
from .halo_search import smallest_halo
from .source import Source
from .tiles import Tile, plan_tiles

N_PLACES = 6
SEAM = 1e-2
"""A difference of probability that could be seen in a result."""


@dataclass(frozen=True)
class SeamStep:
    """A record of `seam_test`: tiles that have been run, of how many; seconds since the start."""

    done: int
    total: int
    elapsed: float


@dataclass(frozen=True)
class Seams:
    """What a seam test found.

    Parameters
    ----------
    largest
        Largest difference of a probability (or distance) between two origins of the tiles.
    n_pixels
        How many pixels were compared.
    n_differing
        In how many of them it is more than `SEAM`.
    precision
        Of the arithmetic.
    tile, halo
        In pixels per axis.
    """

    largest: float
    n_pixels: int
    n_differing: int
    precision: str
    tile: tuple[int, ...]
    halo: tuple[int, ...]

    def in_words(self) -> str:
        """What it means to the user."""
        tile, halo = (" x ".join(map(str, sizes)) for sizes in (self.tile, self.halo))
        measured = (
            f"Moving the tiles ({tile} px, halo {halo} px) changed probabilities by at most "
            f"{self.largest:.2g} in {self.n_pixels:,} pixels ({self.precision})"
        )
        if self.largest <= SEAM:
            return f"No seams. {measured}."
        return f"Seams: {measured}, by more than {SEAM:g} in {self.n_differing:,} of them."


def seam_test(
    model: Model | str | Path,
    image: Any,
    *,
    channels: Sequence[int] | None = None,
    region: Mapping[str, slice] | None = None,
    tile: int | None = None,
    halo: Literal["exact", "quick"] = "exact",
    device: str | None = None,
    seed: int = 0,
) -> Job[SeamStep, Seams]:
    """Run a model over parts of an image with two origins of the tiles, and compare.

    Parameters
    ----------
    model, image, channels, region, halo, device
        As for `segment`.
    tile
        Side of what a tile keeps, in pixels; the smaller, the more borders are looked at.
    seed
        Of the places, and of how far the tiles are moved.

    Returns
    -------
    job
        Its result says how much the answer differs.

    Raises
    ------
    InputError
        If the model does not fit the image.
    """
    model = model if isinstance(model, Model) else load_model(model)
    source = denoised_source_of(model, as_image(image), channels, region, device)
    target = pick_device(device)

    def body(job: Job[SeamStep, Seams]) -> Generator[SeamStep, None, Seams]:
        dtype = precision(target)
        predictor = Predictor(model.network, model.coder.heads, target, dtype)
        exact = [g.halo for g in predictor.geometry]
        around = smallest_halo(predictor, source).halo if halo == "quick" else exact
        side = tile or model.recipe.tile // 2
        rng = np.random.default_rng(seed)
        places = list(_places(source, side, around, rng))
        total = sum(len(tiles) for *_, plans in places for tiles in plans)
        began, done = time.perf_counter(), 0
        largest, n_pixels, n_differing = 0.0, 0, 0
        for frame, window, plans in places:
            answers, shape = [], [w.stop - w.start for w in window]
            for tiles in plans:
                answers.append(np.zeros((count_channels(predictor.heads), *shape), np.float32))
                write = into(answers[-1], window)
                for _ in predict_tiles([predictor], tiles, source.reader(frame), write):
                    done += 1
                    yield SeamStep(done, total, time.perf_counter() - began)
            difference = np.abs(answers[1] - answers[0]).max(axis=0)
            largest = max(largest, float(difference.max()))
            n_pixels += difference.size
            n_differing += int(np.count_nonzero(difference > SEAM))
            if job.stop_requested:
                break
        name = str(dtype).removeprefix("torch.")
        kept = plan_tiles(source.frame_shape, side, predictor.geometry, around)[0].kept_shape
        return Seams(largest, n_pixels, n_differing, name, kept, tuple(around))

    return Job(body)


Place = tuple[Frame, tuple[slice, ...], list[list[Tile]]]


def _places(
    source: Source, side: int, halo: Sequence[int], rng: np.random.Generator
) -> Iterator[Place]:
    """Windows of two tiles a side, each with the tiles of the run and with moved ones."""
    shape, geometry, frames = source.frame_shape, source.model.network.geometry, source.frames()
    plain = plan_tiles(shape, side, geometry, halo)
    sides = plain[0].kept_shape
    corners = [range(max(1, n - 2 * s + 1)) for n, s in zip(shape, sides, strict=True)]
    n_places = min(N_PLACES, len(frames) * int(np.prod([len(c) for c in corners])))
    for _ in range(n_places):
        starts = [int(rng.choice(c)) for c in corners]
        window = tuple(
            slice(a, min(a + 2 * s, n)) for a, s, n in zip(starts, sides, shape, strict=True)
        )
        moves = [
            g.stride * int(rng.integers(1, max(2, s // g.stride)))
            for s, g in zip(sides, geometry, strict=True)
        ]
        longer = [n + m for n, m in zip(shape, moves, strict=True)]
        moved = [
            tile.shifted([-m for m in moves]) for tile in plan_tiles(longer, side, geometry, halo)
        ]
        frame = frames[int(rng.integers(len(frames)))]
        yield frame, window, [_touching(tiles, window) for tiles in (plain, moved)]


def _touching(tiles: Sequence[Tile], window: Sequence[slice]) -> list[Tile]:
    return [
        tile
        for tile in tiles
        if all(
            k.start < w.stop and w.start < k.stop for k, w in zip(tile.keep, window, strict=True)
        )
    ]
