"""Test whether the answer depends on where the tiles lie: the public job `seam_test`."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..arguments import checked
from ..device import pick_device, precision
from ..image import Frame
from ..io import ImageLike, as_image
from ..model import Model, as_model
from ..progress import Job
from ..windows import Window, overlap
from .begin import checked_size
from .denoise.denoised_image import denoised_source_of
from .engine import Predictor, fill_window
from .halo_search import smallest_halo
from .object_size import estimated_size
from .plan import choose_factor
from .source import Source
from .tiles import Tile, plan_tiles

N_PLACES = 6
"""Number of places that are compared."""
SEAM = 1e-2
"""Smallest difference of a probability that could be seen in a result."""


@dataclass(frozen=True)
class SeamStep:
    """Record a step of `seam_test`: tiles done, tiles in total, and seconds since the start."""

    done: int
    total: int
    elapsed: float


@dataclass(frozen=True)
class Seams:
    """Hold the result of a seam test.

    Parameters
    ----------
    largest
        Largest difference of a probability (or distance) between two origins of the tiles.
    n_pixels
        Number of pixels that were compared.
    n_differing
        Number of pixels that differ by more than `SEAM`.
    precision
        Precision of the network's arithmetic.
    tile, halo
        Sizes in pixels per axis.
    """

    largest: float
    n_pixels: int
    n_differing: int
    precision: str
    tile: tuple[int, ...]
    halo: tuple[int, ...]

    def in_words(self) -> str:
        """Describe the result to the user."""
        tile, halo = (" x ".join(map(str, sizes)) for sizes in (self.tile, self.halo))
        measured = (
            f"Moving the tiles ({tile} px, halo {halo} px) changed probabilities by at most "
            f"{self.largest:.2g} in {self.n_pixels:,} pixels ({self.precision})"
        )
        if self.largest <= SEAM:
            return f"No seams. {measured}."
        return f"Seams: {measured}, by more than {SEAM:g} in {self.n_differing:,} of them."


@checked
def seam_test(
    model: Model | str | Path,
    image: ImageLike,
    *,
    channels: Sequence[int] | None = None,
    region: Mapping[str, slice] | None = None,
    tile: int | None = None,
    halo: Literal["exact", "quick"] = "exact",
    device: str | None = None,
    seed: int = 0,
    object_size: float | None = None,
) -> Job[SeamStep, Seams]:
    """Run a model over parts of an image with two origins of the tiles, and compare.

    Parameters
    ----------
    model, image, channels, region, halo, device, object_size
        As for `segment`.
    tile
        Side of the output of a tile, in pixels. The smaller it is, the more borders are compared.
    seed
        Seed of the random places, and of how far the tiles are moved.

    Returns
    -------
    job
        The job. Its result says by how much the answers differ.

    Raises
    ------
    InputError
        If the model does not fit the image.
    """
    model = as_model(model)
    given = None if object_size is None else checked_size(model, object_size)
    source = denoised_source_of(model, as_image(image), channels, region, device)
    target = pick_device(device)
    source = source.on_grid(choose_factor(source, given or estimated_size(source, target)))

    def body(job: Job[SeamStep, Seams]) -> Generator[SeamStep, None, Seams]:
        dtype = precision(target)
        predictor = Predictor(source.network, model.encoding.heads, target, dtype)
        exact = [g.halo for g in predictor.geometry]
        halos = smallest_halo(predictor, source).halo if halo == "quick" else exact
        side = tile or model.recipe.tile // 2
        rng = np.random.default_rng(seed)
        places = list(_places(source, side, halos, rng))
        total = sum(len(tiles) for *_, plans in places for tiles in plans)
        began, done = time.perf_counter(), 0
        largest, n_pixels, n_differing = 0.0, 0, 0
        for frame, window, plans in places:
            answers = []
            for tiles in plans:
                answer, filled = fill_window(predictor, tiles, source.reader(frame), window)
                answers.append(answer)
                for _ in filled:
                    done += 1
                    yield SeamStep(done, total, time.perf_counter() - began)
            difference = np.abs(answers[1] - answers[0]).max(axis=0)
            largest = max(largest, float(difference.max()))
            n_pixels += difference.size
            n_differing += int(np.count_nonzero(difference > SEAM))
            if job.stop_requested:
                break
        name = str(dtype).removeprefix("torch.")
        sides = plan_tiles(source.frame_shape, side, predictor.geometry, halos)[0].kept_shape
        return Seams(largest, n_pixels, n_differing, name, sides, tuple(halos))

    return Job(body)


Place = tuple[Frame, Window, list[list[Tile]]]
"""A frame, a window of it, and two lists of tiles that cover the window."""


def _places(
    source: Source, side: int, halo: Sequence[int], rng: np.random.Generator
) -> Iterator[Place]:
    """Yield random windows two tiles wide, each with the tiles of a run and with moved tiles."""
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
        # Moved tiles begin before the frame, so more of them are needed to reach its end.
        longer = [n + m for n, m in zip(shape, moves, strict=True)]
        moved = [
            tile.shifted([-m for m in moves]) for tile in plan_tiles(longer, side, geometry, halo)
        ]
        frame = frames[int(rng.integers(len(frames)))]
        yield (
            frame,
            window,
            [[t for t in tiles if overlap(t.keep, window)] for tiles in (plain, moved)],
        )
