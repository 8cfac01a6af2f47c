"""Measure the geometry of a network whose steps nobody wrote down.

An output pixel depends on an input pixel if NaN spreads from there to it, whatever the weights.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .base import Network
from .geometry import Geometry

LONGEST = 1024
"""Pixels of the longest axis that is tried."""
LARGEST_STRIDE = 64


def measure_geometry(network: Network, channels_in: int) -> tuple[Geometry, ...]:
    """Measure the geometry of a network by perturbing pixels, one per spatial axis.

    This takes seconds where a network looks far: written down as steps it takes no time.

    Parameters
    ----------
    network
        Left as it is. It has its `dimensions`; `forward` must not ask for its geometry, and may
        raise where it cannot take a size.
    channels_in
        Channels of its images.

    Raises
    ------
    ValueError
        If it takes no image, or cannot be tiled because each pixel depends on the whole image.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad(), torch.device("cpu"):
        torch.manual_seed(0)
        probe = _Probe(_randomized(network), channels_in)
        return tuple(probe.measure(axis) for axis in range(network.dimensions))


def _randomized(network: Network) -> Network:
    """Copy a network, with weights that are neither 0 nor far from what ReLU lets through.

    A network that only has shapes (on the meta device) gets numbers.
    """
    copied = copy.deepcopy(network).eval()
    if any(tensor.is_meta for tensor in copied.state_dict().values()):
        copied = copied.to_empty(device="cpu")
        for buffer in copied.buffers():
            buffer.fill_(1)
    copied = copied.to("cpu", torch.double)
    for parameter in copied.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.uniform_(parameter, 0.5, 1.5)
    return copied


class _Probe:
    """Run a network on images that are long along one axis and small along the others.

    All is done in double precision: its convolutions add products up one by one, so that NaN
    spreads to those pixels only that depend on it.
    """

    def __init__(self, network: Network, channels_in: int) -> None:
        self.network, self.n = network, network.dimensions
        self.channels_in, self.base = channels_in, 0
        self.error: Exception | None = None
        for size in range(1, LONGEST):
            if self.run(torch.rand(1, channels_in, *(size,) * self.n)) is not None:
                self.base = size
                return
        raise ValueError("The network takes no image.") from self.error

    def measure(self, axis: int) -> Geometry:
        """Measure along an axis, on longer and longer images until one is long enough."""
        length = 32
        while length <= LONGEST:
            sizes = range(length, length + LARGEST_STRIDE)
            size = next((n for n in sizes if self.lost(n, axis) is not None), 0)
            stride = self.stride(size, axis) if size else 0
            geometry = self.measure_at(size, stride, axis) if stride else None
            if geometry is not None:
                return geometry
            length *= 2
        raise ValueError("Each pixel depends on the whole image: the network cannot be tiled.")

    def measure_at(self, size: int, stride: int, axis: int) -> Geometry | None:
        """Measure on an image of one size, at most; return None if that is too short."""
        remainder, shrinkage = self.size_taken(size, stride, axis)
        n = size - size % stride + remainder
        middle = n // 2 // stride * stride
        reach = 0
        for pixel in range(middle, middle + stride):
            first, last = self.reached(n, slice(pixel, pixel + 1), axis)
            if first == 0 or last == n - 2 * shrinkage - 1:
                return None
            reach = max(reach, pixel - first - shrinkage, last + shrinkage - pixel)
        # A tile that began or ended here would not see those rows, and spoil what depends on them.
        _, last = self.reached(n, slice(0, middle), axis)
        first, _ = self.reached(n, slice(middle + remainder, n), axis)
        spoiled = max(last + 1 + shrinkage - middle, middle + remainder - first - shrinkage)
        sizes = range(remainder or stride, n + 1, stride)
        smallest = next(m for m in sizes if self.lost(m, axis) == 2 * shrinkage)
        return Geometry(stride, reach, shrinkage, max(0, spoiled - shrinkage), smallest)

    def size_taken(self, size: int, stride: int, axis: int) -> tuple[int, int]:
        """Return the remainder of valid sizes divided by the stride, and the pixels lost on a side.

        With padding both are 0. Without, other sizes lose more, because pooling leaves pixels out.
        """
        first = size - size % stride
        lost = {remainder: self.lost(first + remainder, axis) for remainder in range(stride)}
        if lost[0] == 0:
            return 0, 0
        even = {remainder: n for remainder, n in lost.items() if n is not None}
        remainder = min(even, key=lambda remainder: even[remainder])
        return remainder, even[remainder] // 2

    def stride(self, size: int, axis: int) -> int:
        """Return by how much the input has to be shifted to shift the output; 0 if by too much."""
        x = torch.rand(self.shape(size, axis))
        still = self.rows(x, axis)
        third = len(still) // 3
        for by in range(1, min(LARGEST_STRIDE, third // 2) + 1):
            moved = self.rows(x.roll(by, dims=axis + 2), axis)
            inner = still[third : 2 * third]
            if torch.allclose(moved[third + by : 2 * third + by], inner, rtol=1e-9, atol=0):
                return by
        return 0

    def reached(self, size: int, source: slice, axis: int) -> tuple[int, int]:
        """Return the first and the last row of the output that depend on rows of the input."""
        x = torch.rand(self.shape(size, axis))
        x.movedim(axis + 2, 0)[source] = torch.nan
        rows = self.rows(x, axis).isnan().any(dim=1).nonzero()
        return (int(rows[0]), int(rows[-1])) if len(rows) else (source.start, source.start)

    def lost(self, size: int, axis: int) -> int | None:
        """Return how many rows the output lacks; None if the network does not take the size."""
        answer = self.run(torch.rand(self.shape(size, axis)))
        return None if answer is None else size - answer.shape[axis + 2]

    def rows(self, x: Tensor, axis: int) -> Tensor:
        """Return what the network answers as ``(n, ...)``, a row for each pixel along an axis."""
        answer = self.run(x)
        assert answer is not None
        return answer.movedim(axis + 2, 0).flatten(1)

    def shape(self, size: int, axis: int) -> list[int]:
        """Return the shape of an image that is as long as `size` along an axis."""
        return [1, self.channels_in, *(size if a == axis else self.base for a in range(self.n))]

    def run(self, x: Tensor) -> Tensor | None:
        """Return what the network answers; None where it does not take such an image."""
        try:
            answer: Tensor = self.network(x.double())
        except Exception as error:  # torch and networks raise many kinds for a size that is wrong
            self.error = error
            return None
        lost = [n - m for n, m in zip(x.shape[2:], answer.shape[2:], strict=True)]
        return None if any(n < 0 or n % 2 for n in lost) else answer
