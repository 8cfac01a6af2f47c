"""Retry with a smaller load when memory runs out: a smaller batch, smaller tiles, then the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..memory import is_out_of_memory
from ..networks import Geometry
from ..windows import relative_to
from .engine import Predict, Write, predict_tiles
from .reading import Read
from .tiles import Tile, split

MOST_HALVINGS = 6
"""Largest number of times that a tile is halved: 512 x 512 px become 64 pieces of 64 x 64 px."""


@dataclass(frozen=True)
class Load:
    """Describe how much is computed at once.

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

    def reduced(self) -> Load | None:
        """Return the next smaller load; None if there is none."""
        if self.batch > 1:
            return replace(self, batch=self.batch // 2)
        if self.halvings < MOST_HALVINGS:
            return replace(self, halvings=self.halvings + 1)
        return None if self.device == "cpu" else Load(1, 0, "cpu")

    def in_words(self) -> str:
        """Describe the load to the user, such as "tiles halved twice, on cpu"."""
        times = ("whole tiles", "tiles halved once", "tiles halved twice")
        tiles = times[self.halvings] if self.halvings < 3 else f"tiles halved {self.halvings} times"
        batch = f"batches of {self.batch}, " if self.batch > 1 else ""
        return f"{batch}{tiles}, on {self.device}"


class RetryingPredictor:
    """Run a network over tiles; when memory runs out, retry with a smaller load.

    Parameters
    ----------
    batch, device
        The load to begin with: tiles per forward pass, and the type of device.
    make
        Return the network on a type of device: one `Predict` for each device of that type.
    geometry
        The network's geometry, per axis.
    reductions
        How often the load is reduced before the first tile.
    report
        Report that memory ran out: the number of reductions, and a sentence for the user.

    Attributes
    ----------
    load
        How much is computed at once now.
    reductions
        How often the load was reduced so far.
    """

    def __init__(
        self,
        batch: int,
        device: str,
        make: Callable[[str], Sequence[Predict]],
        geometry: Sequence[Geometry],
        reductions: int = 0,
        report: Callable[[int, str], None] = lambda _reductions, _words: None,
    ) -> None:
        self.load = Load(batch, 0, device)
        self._make, self._geometry, self._report = make, geometry, report
        self._predictors: Sequence[Predict] | None = None
        self.reductions = 0
        for _ in range(reductions):
            if (smaller := self.load.reduced()) is not None:
                self.load = smaller
                self.reductions += 1

    def predict(self, tiles: Sequence[Tile], read: Read, write: Write) -> Iterator[int]:
        """Run over tiles as `predict_tiles` does; retry from the tile at which memory ran out.

        Raises
        ------
        MemoryError
            If there is too little memory even for the smallest load.
        """
        done = 0
        while done < len(tiles):
            remaining, n_before = tiles[done:], done
            try:
                if self._predictors is None:
                    self._predictors = self._make(self.load.device)
                if self.load.halvings:
                    for tile in remaining:
                        self._predict_in_pieces(tile, read, write)
                        done += 1
                        yield done
                    continue
                for n in predict_tiles(self._predictors, remaining, read, write, self.load.batch):
                    done = n_before + n
                    yield done
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._reduce(error)

    def _predict_in_pieces(self, tile: Tile, read: Read, write: Write) -> None:
        """Run over the pieces of a halved tile, and write their answers as one."""
        assert self._predictors is not None
        answer: np.ndarray | None = None

        def put(piece: Tile, part: np.ndarray) -> None:
            nonlocal answer
            if answer is None:
                answer = np.zeros((len(part), *tile.kept_shape), part.dtype)
            answer[(slice(None), *relative_to(piece.keep, tile.keep))] = part

        for _ in predict_tiles(
            self._predictors, halved(tile, self.load.halvings, self._geometry), read, put
        ):
            pass
        assert answer is not None
        write(tile, answer)

    def _reduce(self, error: BaseException) -> None:
        smaller = self.load.reduced()
        if smaller is None:
            raise MemoryError(
                "There is too little memory even for the smallest tile. Close other programs, "
                "or use a machine with more."
            ) from error
        if smaller.device != self.load.device:
            self._predictors = None
        self.load = smaller
        self.reductions += 1
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._report(self.reductions, f"Memory ran out: went on with {smaller.in_words()}.")


def halved(tile: Tile, times: int, geometry: Sequence[Geometry]) -> list[Tile]:
    """Cut a tile into pieces by halving it a number of times."""
    pieces = [tile]
    for _ in range(times):
        pieces = [part for piece in pieces for part in split(piece, geometry)]
    return pieces
