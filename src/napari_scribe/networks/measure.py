"""Measure the geometry of a network whose steps are not known.

An output pixel depends on an input pixel if NaN spreads from there to it, whatever the weights.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .base import Network
from .geometry import Geometry

LONGEST = 1024
"""Length of the longest image that is tried, in pixels."""
LARGEST_STRIDE = 64


def measure_geometry(network: Network, channels_in: int) -> tuple[Geometry, ...]:
    """Measure the geometry of a network by perturbing pixels, one per spatial axis.

    This takes seconds if the receptive field is large. `Geometry.of_steps` takes no time.

    Parameters
    ----------
    network
        It is not changed. Its `dimensions` must be set. `forward` must not use its geometry, and
        may raise an error for a size that the network does not take.
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

    Weights without values (on the meta device) get values.
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

    Everything is computed in double precision. There, convolutions add up products one by one, so
    that NaN spreads only to the pixels that depend on it.
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
        """Measure on an image of at most this size; return None if that is too short."""
        remainder, shrinkage = self.size_taken(size, stride, axis)
        n = size - size % stride + remainder
        middle = n // 2 // stride * stride
        reach = 0
        for pixel in range(middle, middle + stride):
            first, last = self.reached(n, slice(pixel, pixel + 1), axis)
            if first == 0 or last == n - 2 * shrinkage - 1:
                return None
            reach = max(reach, pixel - first - shrinkage, last + shrinkage - pixel)
        # A tile that began or ended here would lack these rows. What depends on them is spoiled.
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
        """Return the least shift of the input that shifts the output alike; 0 if too large."""
        x = torch.rand(self.shape(size, axis))
        unshifted = self.rows(x, axis)
        third = len(unshifted) // 3
        for by in range(1, min(LARGEST_STRIDE, third // 2) + 1):
            shifted = self.rows(x.roll(by, dims=axis + 2), axis)
            inner = unshifted[third : 2 * third]
            if torch.allclose(shifted[third + by : 2 * third + by], inner, rtol=1e-9, atol=0):
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
        """Return the answer of the network as ``(n, ...)``, a row for each pixel along an axis."""
        answer = self.run(x)
        assert answer is not None
        return answer.movedim(axis + 2, 0).flatten(1)

    def shape(self, size: int, axis: int) -> list[int]:
        """Return the shape of an image that is as long as `size` along an axis."""
        return [1, self.channels_in, *(size if a == axis else self.base for a in range(self.n))]

    def run(self, x: Tensor) -> Tensor | None:
        """Return the answer of the network; None if it does not take such an image."""
        try:
            answer: Tensor = self.network(x.double())
        except Exception as error:  # torch and networks raise many kinds of error for a wrong size
            self.error = error
            return None
        lost = [n - m for n, m in zip(x.shape[2:], answer.shape[2:], strict=True)]
        return None if any(n < 0 or n % 2 for n in lost) else answer
