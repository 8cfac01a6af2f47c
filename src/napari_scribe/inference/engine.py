"""Overlap-tile inference: read ahead, forward, crop, write behind."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import InputError
from ..networks import Network
from ..networks.blocks import crop_center, memory_format, placed
from ..targets import Head, count_channels
from .reading import Read
from .tiles import Tile, plan_tiles

Write = Callable[[Tile, npt.NDArray[Any]], None]
"""Takes a tile and ``(channels, *keep)``."""
Predict = Callable[[Tensor, Sequence[int]], Tensor]
"""Answers ``(N, channels, *out)`` to pixels ``(N, C, *in)``, so many cropped off per axis."""

AHEAD = 2
"""Batches that are read before their turn, and that may wait to be written."""


class Predictor:
    """A network made ready for inference on a device.

    Parameters
    ----------
    network
        Left as it is; a copy is taken.
    heads
        What its channels mean.
    device, dtype
        Where and in which precision the convolutions run.
    reduce
        Whether the index of the most probable class is all that is wanted of a categorical head.
    answers
        Type of the answers. In float16, as they are kept, they are converted here: numpy is slow
        with it.
    """

    def __init__(
        self,
        network: Network,
        heads: Sequence[Head],
        device: torch.device,
        dtype: torch.dtype,
        reduce: bool = False,
        answers: torch.dtype = torch.float32,
    ) -> None:
        self.geometry = network.geometry
        self.heads = tuple(heads)
        self.device, self.dtype, self.reduce, self.answers = device, dtype, reduce, answers
        self.format = memory_format(network.dimensions)
        self.network: Callable[..., Any] = placed(
            network.folded().to(dtype), network.dimensions, device
        )
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, batch: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Answers ``(N, channels, *out)``, on the device, to normalized ``(N, C, *in)``.

        On cuda this returns before the work is done; `margin` is cropped from each side.
        """
        with torch.inference_mode():
            pixels = self._placed(batch)
            x = pixels.to(self.dtype).contiguous(memory_format=self.format)
            logits: Tensor = self.network(x, margin)
            if self.reduce:
                return logits.float().argmax(dim=1, keepdim=True)
            logits = logits.contiguous().float()  # all that follows is fastest channel by channel
            if self.heads[0].kind == "image":  # in float32: the image itself is not rounded
                return crop_center(pixels.float(), logits.shape[2:]) + logits
            return activate(logits, self.heads).to(self.answers)

    def _placed(self, batch: Tensor) -> Tensor:
        """The batch on the device; on cuda it is copied beside the work on the one before."""
        if self._copying is None:
            return batch.to(self.device)
        with torch.cuda.stream(self._copying):
            x = batch.pin_memory().to(self.device, non_blocking=True)
        working = torch.cuda.current_stream(self.device)
        working.wait_stream(self._copying)
        x.record_stream(working)
        return x


def activate(logits: Tensor, heads: Sequence[Head]) -> Tensor:
    """Logits to answers, each head by its kind; ``(N, channels, *spatial)`` both."""
    parts = torch.split(logits, [head.channels for head in heads], dim=1)
    return torch.cat(
        [
            part.softmax(dim=1) if head.kind == "categorical" else part.sigmoid()
            for part, head in zip(parts, heads, strict=True)
        ],
        dim=1,
    )


def predict_tiles(
    predictors: Sequence[Predict], tiles: Sequence[Tile], read: Read, write: Write, batch: int = 1
) -> Iterator[int]:
    """Run a network over tiles and write what each keeps, in their order.

    Tiles are read ahead in one thread and written behind in another; the network runs in the
    caller's. With one predictor a device, the devices take batches by turns.

    Parameters
    ----------
    predictors
        The same network, on one device or several.
    batch
        Tiles per forward pass, where they have one shape.

    Yields
    ------
    done
        Number of tiles that are written so far.
    """
    groups = [
        group[i : i + batch]
        for _, same in groupby(tiles, key=lambda t: (t.read_shape, t.margin))
        for group in [list(same)]
        for i in range(0, len(group), batch)
    ]
    # On the CPU a pass ends before its call returns: there is nothing to keep under way.
    under_way = sum(
        getattr(p, "device", None) not in (None, torch.device("cpu")) for p in predictors
    )
    reading: deque[Future[Tensor]] = deque()
    answering: deque[tuple[list[Tile], Tensor]] = deque()
    writing: deque[tuple[int, Future[None]]] = deque()
    to_read, done = iter(groups), 0
    with _thread() as writer, _thread() as reader:

        def finish_one() -> None:
            group, answers = answering.popleft()
            writing.append((len(group), writer.submit(_write_all, write, group, answers.cpu())))

        for i, group in enumerate(groups):
            while len(reading) <= AHEAD and (following := next(to_read, None)) is not None:
                reading.append(reader.submit(_read_all, read, following))
            predict = predictors[i % len(predictors)]
            answering.append((group, predict(reading.popleft().result(), group[0].margin)))
            while len(answering) > under_way:
                finish_one()
            while writing and (len(writing) > AHEAD or writing[0][1].done()):
                done = _written(writing, done)
                yield done
        while answering:
            finish_one()
        while writing:
            done = _written(writing, done)
            yield done


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """One thread, waited for in the end; not where a garbage collector ends what it works for: it
    may do so in a thread that this one itself waits for.
    """
    owner, pool = threading.get_ident(), ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=threading.get_ident() == owner)


def _written(writing: deque[tuple[int, Future[None]]], done: int) -> int:
    n, future = writing.popleft()
    future.result()
    return done + n


def _read_all(read: Read, group: Sequence[Tile]) -> Tensor:
    return torch.from_numpy(np.stack([read(tile) for tile in group]))


def _write_all(write: Write, group: Sequence[Tile], answers: Tensor) -> None:
    if answers.is_floating_point() and not all(v.isfinite() for v in torch.aminmax(answers)):
        raise InputError(
            f"The model answers with NaN or infinite values near {[s.start for s in group[0].keep]}"
            ": its weights are damaged, or pixels there are far beyond those it was trained on. "
            "Choose another model, or replace such pixels."
        )
    for tile, answer in zip(group, answers.numpy(), strict=True):
        write(tile, answer[(slice(None), *tile.crop)])


def predict_window(
    predictor: Predictor,
    read: Read,
    window: Sequence[slice],
    tile: int,
    rank: Callable[[Tile], int] = lambda _tile: 0,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, npt.NDArray[np.float32]]:
    """Answers for a small window of a frame, by head, ``(channels, *window)``.

    Tiles of a high `rank` come first (it is given them as counted from the window's corner); where
    it was `enough` before their turn, answers are 0.
    """
    shape, origin = [s.stop - s.start for s in window], [s.start for s in window]
    answer = np.zeros((count_channels(predictor.heads), *shape), np.float32)
    tiles = sorted(plan_tiles(shape, tile, predictor.geometry), key=rank, reverse=True)
    placed = [part.shifted(origin) for part in tiles]
    done = predict_tiles([predictor], placed, read, into(answer, window))
    while not enough() and next(done, None):
        pass
    return by_head(answer, predictor.heads)


def into(answer: npt.NDArray[Any], window: Sequence[slice]) -> Write:
    """Puts what tiles keep into ``(channels, *window)``, as far as it lies within the window."""

    def write(tile: Tile, pixels: npt.NDArray[Any]) -> None:
        common = [
            slice(max(k.start, w.start), min(k.stop, w.stop))
            for k, w in zip(tile.keep, window, strict=True)
        ]
        inside, here = (
            tuple(
                slice(c.start - o.start, c.stop - o.start)
                for c, o in zip(common, origin, strict=True)
            )
            for origin in (tile.keep, window)
        )
        answer[(slice(None), *here)] = pixels[(slice(None), *inside)]

    return write


def by_head(prediction: npt.NDArray[Any], heads: Sequence[Head]) -> dict[str, npt.NDArray[Any]]:
    """Split ``(channels, *spatial)`` into one array a head."""
    parts = np.split(prediction, np.cumsum([head.channels for head in heads])[:-1])
    return {head.name: part for head, part in zip(heads, parts, strict=True)}
