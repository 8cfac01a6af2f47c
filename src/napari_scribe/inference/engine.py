"""Run a network over tiles: read ahead, forward, crop, write behind."""

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
from ..windows import intersect, relative_to, shape_of, start_of
from .reading import Read
from .tiles import Tile, plan_tiles

Write = Callable[[Tile, np.ndarray], None]
"""Write the answer for a tile, ``(channels, *keep)``."""
Predict = Callable[[Tensor, Sequence[int]], Tensor]
"""Map pixels ``(N, C, *in)`` and a margin per axis to answers ``(N, channels, *out)``."""

AHEAD = 2
"""Number of batches that are read ahead. As many may wait to be written."""


class Predictor:
    """Run a network on a device, for inference.

    Parameters
    ----------
    network
        The network, which is copied.
    heads
        The heads of its output channels.
    device, dtype
        Device and precision of the convolutions.
    reduce
        Whether to answer only the index of the most probable class, instead of probabilities. For
        a single categorical head.
    answers
        Type of the answers. Answers that are stored as float16 are converted here, because numpy is
        slow with float16.
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
        """Map normalized pixels ``(N, C, *in)`` to answers ``(N, channels, *out)`` on the device.

        `margin` is cropped from each side. On cuda this returns before the work is done.
        """
        with torch.inference_mode():
            pixels = self._placed(batch)
            x = pixels.to(self.dtype).contiguous(memory_format=self.format)
            logits: Tensor = self.network(x, margin)
            if self.reduce:
                return logits.float().argmax(dim=1, keepdim=True)
            logits = logits.contiguous().float()  # activations are fastest with channels first
            if self.heads[0].kind == "image":
                # The network answers a correction. The sum is in float32, so that the image is not
                # rounded.
                return crop_center(pixels.float(), logits.shape[2:]) + logits
            return activate(logits, self.heads).to(self.answers)

    def _placed(self, batch: Tensor) -> Tensor:
        """Copy a batch to the device. On cuda this happens while the batch before is computed."""
        if self._copying is None:
            return batch.to(self.device)
        with torch.cuda.stream(self._copying):
            x = batch.pin_memory().to(self.device, non_blocking=True)
        working = torch.cuda.current_stream(self.device)
        working.wait_stream(self._copying)
        x.record_stream(working)
        return x


def activate(logits: Tensor, heads: Sequence[Head]) -> Tensor:
    """Apply each head's activation to logits ``(N, channels, *spatial)``."""
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
    """Run a network over tiles and write their answers, in order.

    One thread reads tiles ahead, another writes answers behind, and the network runs in the
    caller's thread. Several devices take the batches in turn.

    Parameters
    ----------
    predictors
        The same network on one device or several.
    batch
        Largest number of tiles per forward pass. Only tiles of one shape are passed together.

    Yields
    ------
    done
        Number of tiles written so far.
    """
    groups = [
        group[i : i + batch]
        for _, same in groupby(tiles, key=lambda t: (t.read_shape, t.margin))
        for group in [list(same)]
        for i in range(0, len(group), batch)
    ]
    # On the CPU a forward pass has ended when its call returns. On each other device one pass may
    # still run: its answer is fetched later.
    n_running = sum(
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
            while len(reading) <= AHEAD and (ahead := next(to_read, None)) is not None:
                reading.append(reader.submit(_read_all, read, ahead))
            predict = predictors[i % len(predictors)]
            answering.append((group, predict(reading.popleft().result(), group[0].margin)))
            while len(answering) > n_running:
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
    """Start a pool of one thread, and wait for it in the end.

    A generator that is garbage collected may end in any thread, even in that of the pool, which
    cannot wait for itself. So only the thread that started the pool waits.
    """
    owner, pool = threading.get_ident(), ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=threading.get_ident() == owner)


def _written(writing: deque[tuple[int, Future[None]]], done: int) -> int:
    """Wait for the oldest write; return the number of tiles written so far."""
    n, future = writing.popleft()
    future.result()
    return done + n


def _read_all(read: Read, group: Sequence[Tile]) -> Tensor:
    return torch.from_numpy(np.stack([read(tile) for tile in group]))


def _write_all(write: Write, group: Sequence[Tile], answers: Tensor) -> None:
    if answers.is_floating_point() and not all(v.isfinite() for v in torch.aminmax(answers)):
        raise InputError(
            f"The model answers with NaN or infinite values near {list(start_of(group[0].keep))}"
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
) -> dict[str, np.ndarray]:
    """Run a network over a small window of a frame.

    Parameters
    ----------
    tile
        Side of the output of a tile, in pixels.
    rank
        Return the rank of a tile: tiles of higher rank come first. The tile's windows are relative
        to the corner of `window`.
    enough
        Return whether to end early. Then the answers of the remaining tiles are 0.

    Returns
    -------
    answers
        Head name -> ``(channels, *window)``.
    """
    tiles = sorted(plan_tiles(shape_of(window), tile, predictor.geometry), key=rank, reverse=True)
    shifted = [part.shifted(start_of(window)) for part in tiles]
    answer, done = fill_window(predictor, shifted, read, window)
    while not enough() and next(done, None):
        pass
    return by_head(answer, predictor.heads)


def fill_window(
    predictor: Predictor, tiles: Sequence[Tile], read: Read, window: Sequence[slice]
) -> tuple[npt.NDArray[np.float32], Iterator[int]]:
    """Return an array ``(channels, *window)`` of 0, and an iterator that fills it tile by tile."""
    answer = np.zeros((count_channels(predictor.heads), *shape_of(window)), np.float32)
    return answer, predict_tiles([predictor], tiles, read, into(answer, window))


def into(answer: np.ndarray, window: Sequence[slice]) -> Write:
    """Return a function that writes tiles into ``(channels, *window)``, where they overlap it."""

    def write(tile: Tile, pixels: np.ndarray) -> None:
        common = intersect(tile.keep, window)
        target = answer[(slice(None), *relative_to(common, window))]
        target[...] = pixels[(slice(None), *relative_to(common, tile.keep))]

    return write


def by_head(prediction: np.ndarray, heads: Sequence[Head]) -> dict[str, np.ndarray]:
    """Split ``(channels, *spatial)`` into one array per head."""
    parts = np.split(prediction, np.cumsum([head.channels for head in heads])[:-1])
    return {head.name: part for head, part in zip(heads, parts, strict=True)}
