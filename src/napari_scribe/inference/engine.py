"""Overlap-tile inference: read, normalize, forward, crop, write."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..errors import InputError
from ..image import Frame, Image
from ..networks import UNet
from ..networks.blocks import memory_format, placed
from ..normalization import Statistics
from ..targets import Head
from .tiles import Tile, mirrored, plan_tiles

Write = Callable[[Tile, npt.NDArray[np.float32]], None]


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
    """

    def __init__(
        self, network: UNet, heads: Sequence[Head], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.geometry = network.geometry
        self.heads = tuple(heads)
        self.device, self.dtype = device, dtype
        self.format = memory_format(network.dimensions)
        self.network = placed(fold(network), network.dimensions, device)

    def __call__(self, batch: Tensor) -> Tensor:
        """Answers ``(N, channels, *out)`` float32 to pixels ``(N, C, *in)``, normalized."""
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32),
        ):
            x = batch.to(self.device).contiguous(memory_format=self.format)
            return activate(self.network(x).float(), self.heads)


def fold(network: UNet) -> UNet:
    """A copy with the batch normalizations folded into the convolutions before them."""
    folded = copy.deepcopy(network).eval()
    for block in folded.modules():
        if isinstance(block, nn.Sequential) and len(block) == 3:
            conv, norm = block[0], block[1]
            if isinstance(norm, nn.modules.batchnorm._BatchNorm):
                assert isinstance(conv, nn.Conv2d | nn.Conv3d)
                block[0] = fuse_conv_bn_eval(conv, norm)
                block[1] = nn.Identity()
    return folded


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
    predictor: Callable[[Tensor], Tensor],
    tiles: Sequence[Tile],
    read: Callable[[Tile], npt.NDArray[np.float32]],
    write: Write,
    batch: int,
) -> Iterator[int]:
    """Run a network over tiles and write what each keeps.

    Parameters
    ----------
    predictor
        ``(N, C, *in) -> (N, channels, *out)``.
    read
        Normalized pixels of a tile, ``(C, *in)``.
    write
        Takes a tile and ``(channels, *keep)``.
    batch
        Tiles per forward pass.

    Yields
    ------
    done
        Number of tiles finished so far.
    """
    done = 0
    queue = iter(tiles)
    while group := tuple(islice(queue, batch)):
        pixels = torch.from_numpy(np.stack([read(tile) for tile in group]))
        for tile, answer in zip(group, predictor(pixels), strict=True):
            write(tile, answer[(slice(None), *tile.crop)].cpu().numpy())
        done += len(group)
        yield done


def tile_reader(
    image: Image, frame: Frame, channels: Sequence[int], statistics: Statistics, dimensions: int
) -> Callable[[Tile], npt.NDArray[np.float32]]:
    """How tiles of a frame are read: mirrored outside the image, normalized.

    What it gives raises InputError where a tile holds NaN or infinite pixels.
    """
    shape = image.frame_shape(dimensions)

    def read(tile: Tile) -> npt.NDArray[np.float32]:
        pixels = read_mirrored(image, frame, tile.read, shape, channels)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise InputError(
                f"{image.name} has NaN or infinite pixels near {[s.start for s in tile.keep]}. "
                "Replace them first, for example with numpy.nan_to_num."
            )
        return statistics.apply(pixels)

    return read


def predict_window(
    predictor: Predictor,
    read: Callable[[Tile], npt.NDArray[np.float32]],
    window: Sequence[slice],
    tile: int,
    rank: Callable[[Tile], int] = lambda _tile: 0,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, npt.NDArray[np.float32]]:
    """Answers for a small window of a frame, by head, ``(channels, *window)``.

    Tiles of a high `rank` come first; where it was `enough` before their turn, answers are 0.
    """
    shape = [s.stop - s.start for s in window]
    answer = np.zeros((sum(h.channels for h in predictor.heads), *shape), np.float32)

    def write(part: Tile, pixels: npt.NDArray[np.float32]) -> None:
        answer[(slice(None), *part.keep)] = pixels

    def read_shifted(part: Tile) -> npt.NDArray[np.float32]:
        return read(part.shifted([s.start for s in window]))

    tiles = sorted(plan_tiles(shape, tile, predictor.geometry), key=rank, reverse=True)
    done = predict_tiles(predictor, tiles, read_shifted, write, batch=1)
    while not enough() and next(done, None):
        pass
    return by_head(answer, predictor.heads)


def by_head(prediction: npt.NDArray[Any], heads: Sequence[Head]) -> dict[str, npt.NDArray[Any]]:
    """Split ``(channels, *spatial)`` into one array a head."""
    parts = np.split(prediction, np.cumsum([head.channels for head in heads])[:-1])
    return {head.name: part for head, part in zip(heads, parts, strict=True)}


def read_mirrored(
    image: Image,
    frame: Frame,
    window: Sequence[slice],
    shape: Sequence[int],
    channels: Sequence[int],
) -> npt.NDArray[Any]:
    """Read a window ``(C, *window)`` that may reach beyond the frame, mirrored there."""
    indices = [mirrored(s, n) for s, n in zip(window, shape, strict=True)]
    inside = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
    pixels = image.read(frame, inside, channels)
    for axis, (index, covered) in enumerate(zip(indices, inside, strict=True), start=1):
        if len(index) != pixels.shape[axis]:
            pixels = np.take(pixels, index - covered.start, axis=axis)
    return pixels
