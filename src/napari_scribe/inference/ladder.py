"""What is done when memory runs out: a smaller batch, smaller tiles, then the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ..memory import is_out_of_memory
from ..networks import Geometry
from .engine import Predict, Write, predict_tiles
from .reading import Read
from .tiles import Tile, split

MOST_HALVINGS = 6
"""Halved six times, a tile of 512 x 512 px becomes 64 of 64 x 64."""


@dataclass(frozen=True)
class Rung:
    """How much is tried at once.

    Parameters
    ----------
    batch
        Tiles per forward pass.
    halvings
        How often each tile is halved.
    device
        Type of the device: ``cuda``, ``mps`` or ``cpu``.
    """

    batch: int
    halvings: int
    device: str

    def below(self) -> Rung | None:
        """What to try next; None where there is nothing left."""
        if self.batch > 1:
            return replace(self, batch=self.batch // 2)
        if self.halvings < MOST_HALVINGS:
            return replace(self, halvings=self.halvings + 1)
        return None if self.device == "cpu" else Rung(1, 0, "cpu")

    def in_words(self) -> str:
        """Such as "tiles cut into 4, on cpu"."""
        times = ("whole tiles", "tiles halved once", "tiles halved twice")
        halved = (
            times[self.halvings] if self.halvings < 3 else f"tiles halved {self.halvings} times"
        )
        batch = f"batches of {self.batch}, " if self.batch > 1 else ""
        return f"{batch}{halved}, on {self.device}"


class Ladder:
    """A network, and how much of an image it is given at once.

    Parameters
    ----------
    batch
        Tiles per forward pass, as long as they fit.
    device
        Where to begin.
    predictors
        Makes the network ready for a type of device, on all of that type.
    geometry
        Of the network, per axis.
    descended
        How many rungs an earlier run had to go down, or was killed on.
    told
        Called with what is tried instead, in words, whenever memory ran out.
    """

    def __init__(
        self,
        batch: int,
        device: str,
        predictors: Callable[[str], Sequence[Predict]],
        geometry: Sequence[Geometry],
        descended: int = 0,
        told: Callable[[int, str], None] = lambda _descended, _words: None,
    ) -> None:
        self.rung = Rung(batch, 0, device)
        self._make, self._geometry, self._told = predictors, geometry, told
        self._predictors: Sequence[Predict] | None = None
        self.descended = 0
        for _ in range(descended):
            if (below := self.rung.below()) is not None:
                self.rung = below
                self.descended += 1

    @property
    def predictors(self) -> Sequence[Predict]:
        """One a device."""
        if self._predictors is None:
            self._predictors = self._make(self.rung.device)
        return self._predictors

    def predict(self, tiles: Sequence[Tile], read: Read, write: Write) -> Iterator[int]:
        """Run over tiles as `predict_tiles` does; goes on from the tile that memory ran out at.

        Raises
        ------
        MemoryError
            If it is too little even for the smallest tile.
        """
        done = 0
        while done < len(tiles):
            left, before = tiles[done:], done
            try:
                for n in self._pass(left, read, write):
                    done = before + n
                    yield done
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._descend(error)

    def _pass(self, tiles: Sequence[Tile], read: Read, write: Write) -> Iterator[int]:
        if self.rung.halvings == 0:
            yield from predict_tiles(self.predictors, tiles, read, write, self.rung.batch)
            return
        for n, tile in enumerate(tiles, start=1):
            pieces = halved(tile, self.rung.halvings, self._geometry)
            whole = _Whole(tile, write)
            for _ in predict_tiles(self.predictors, pieces, read, whole.put):
                pass
            whole.done()
            yield n

    def _descend(self, error: BaseException) -> None:
        below = self.rung.below()
        if below is None:
            raise MemoryError(
                "There is too little memory even for the smallest tile. Close other programs, "
                "or use a machine with more."
            ) from error
        if below.device != self.rung.device:
            self._predictors = None
        self.rung = below
        self.descended += 1
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._told(self.descended, f"Memory ran out: went on with {below.in_words()}.")


def halved(tile: Tile, times: int, geometry: Sequence[Geometry]) -> list[Tile]:
    """A tile in pieces that together keep what it keeps."""
    pieces = [tile]
    for _ in range(times):
        pieces = [part for piece in pieces for part in split(piece, geometry)]
    return pieces


class _Whole:
    """Puts the answers for the pieces of a tile together."""

    def __init__(self, tile: Tile, write: Write) -> None:
        self._tile, self._write = tile, write
        self._answer: npt.NDArray[np.float32] | None = None

    def put(self, piece: Tile, answer: npt.NDArray[np.float32]) -> None:
        """Take what a piece keeps."""
        if self._answer is None:
            self._answer = np.zeros((len(answer), *self._tile.kept_shape), answer.dtype)
        at = (
            slice(p.start - t.start, p.stop - t.start)
            for p, t in zip(piece.keep, self._tile.keep, strict=True)
        )
        self._answer[(slice(None), *at)] = answer

    def done(self) -> None:
        """Write the whole: every piece is there."""
        assert self._answer is not None
        self._write(self._tile, self._answer)
