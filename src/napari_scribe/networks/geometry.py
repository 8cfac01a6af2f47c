"""Compute which input pixels an output pixel depends on, and which sizes a network takes.

All numbers are pixels along one axis; a network has one geometry per spatial axis.

A network is described by the list of its steps along an axis. Each step works on the output of the
step before it. `Join` and `Branch` name an earlier output by its number: 0 is the input, and 1 is
the output of the first step. A U-Net of depth 1 is::

    Convolve(2), Down(2), Convolve(2), Up(2), Join(1), Convolve(2)

A block with an added skip connection is ``Convolve(1), Convolve(1), Join(0)``. A network with two
outputs has two branches that are joined at the end. A convolution with full padding is
``Pad(2), Convolve(1, is_padded=False)``; the map that has grown is cropped by a `Join`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import lcm


@dataclass(frozen=True)
class Convolve:
    """Describe a convolution, or any other step that looks `radius` pixels to either side.

    Several in a row equal one whose radius is their sum. Without padding, the size shrinks.
    """

    radius: int
    is_padded: bool = True


@dataclass(frozen=True)
class Pad:
    """Describe padding by itself: the map grows by `width` pixels on either side."""

    width: int


@dataclass(frozen=True)
class Down:
    """Describe pooling: each group of `factor` pixels becomes one pixel."""

    factor: int


@dataclass(frozen=True)
class Up:
    """Describe upsampling: each pixel becomes `factor` pixels.

    Interpolation makes a pixel from those less than `taps` coarse pixels away: 1 if it is linear,
    2 if it is cubic. Beyond the edge it repeats the outermost pixel. Without interpolation a pixel
    is made from one coarse pixel alone, and `taps` is 0.
    """

    factor: int
    taps: int = 0

    def sources(self, pixel: int) -> tuple[int, int]:
        """Return the first and the last coarse pixel that a pixel is made from."""
        if not self.taps or self.factor == 1:
            return pixel // self.factor, pixel // self.factor
        # The centre of the pixel lies at place / (2 factor) on the coarse grid.
        place = 2 * pixel + 1 - self.factor
        below, above = place // (2 * self.factor), -(-place // (2 * self.factor))
        return below + 1 - self.taps, above - 1 + self.taps

    def border(self, border: int) -> int:
        """Return how many outermost pixels depend on a border of the coarse map, or on its edge."""
        if not self.taps or self.factor == 1:
            return self.factor * border
        return next(pixel for pixel in count() if self.sources(pixel)[0] >= border)


@dataclass(frozen=True)
class Join:
    """Describe a skip connection: an earlier output is added or concatenated.

    The larger of the two outputs is cropped to the size of the smaller one.
    """

    step: int


@dataclass(frozen=True)
class Branch:
    """Describe a second path: the next step works on an earlier output."""

    step: int


Step = Convolve | Pad | Down | Up | Join | Branch


@dataclass(frozen=True)
class Geometry:
    """Hold what tiling and training need to know about a network, along one axis.

    Parameters
    ----------
    stride
        Shifting the input by a multiple of this shifts the output by the same.
    receptive_field
        Farthest input pixel that an output pixel depends on, to either side.
    shrinkage
        Pixels that the output lacks on either side of the input; 0 with padding.
    border
        Outermost pixels of the output, on either side, that depend on padding; 0 without.
    smallest
        Smallest valid size of the input. The other valid sizes are larger by a multiple of the
        stride.
    """

    stride: int
    receptive_field: int
    shrinkage: int
    border: int
    smallest: int

    @classmethod
    def of_steps(cls, steps: Sequence[Step]) -> Geometry:
        """Compute the geometry of a list of steps.

        Raises
        ------
        ValueError
            If the steps do not fit together: sizes differ where outputs are joined, or the last
            output is coarser or larger than the image.
        """
        nodes = _nodes(steps)
        last = nodes[-1]
        if last.scale != 1:
            raise ValueError(f"The last step gives pixels {last.scale} times as large as the image")
        if last.loss < 0:
            raise ValueError("The last step gives more than the image: crop it by a join with it.")
        stride, shrinkage = lcm(*(node.scale for node in nodes)), last.loss
        # Whether all steps can divide a size depends on its remainder modulo the stride alone.
        sizes = range(1, 2 * shrinkage + stride + 1)
        smallest = next((n for n in sizes if _fits(n, steps, nodes)), None)
        if smallest is None:
            raise ValueError("There is no size that all steps can divide")
        reach = 0
        for pixel in range(stride):
            start, stop = _input_range(pixel, steps, nodes)
            reach = max(reach, pixel + shrinkage - start, stop - pixel - shrinkage)
        return cls(stride, reach, shrinkage, last.border, smallest)

    @property
    def halo(self) -> int:
        """Return how many pixels of input a tile needs around what it keeps.

        With this halo, the answer that a tile keeps does not depend on where the tile ends. The
        halo is the shrinkage plus a multiple of the stride, so that all tiles pool on one grid.
        """
        return self.shrinkage + round_up(self.border, self.stride)

    def takes(self, size: int) -> bool:
        """Return whether this is a valid size of the input."""
        return size >= self.smallest and (size - self.smallest) % self.stride == 0

    def input_size(self, inner: int, halo: int | None = None) -> int:
        """Return the smallest size that the network takes with a halo around `inner` pixels."""
        size = max(self.smallest, inner + 2 * (self.halo if halo is None else halo))
        return self.smallest + round_up(size - self.smallest, self.stride)

    def output_size(self, size: int) -> int:
        """Return the size of the output for a size of the input."""
        return size - 2 * self.shrinkage


def sides(longest: int, geometry: Sequence[Geometry]) -> tuple[int, ...]:
    """Return the sides of a piece of an image, in pixels per axis, about equal in physical length.

    An axis with a smaller stride has larger pixels (thick slices), so it gets fewer of them.
    """
    coarsest = max(g.stride for g in geometry)
    return tuple(-(-longest * g.stride // coarsest) for g in geometry)


@dataclass(frozen=True)
class _Node:
    """Describe the output pixels of a step, which lie on a grid of their own.

    Parameters
    ----------
    scale
        Width of one of these pixels, in pixels of the image.
    loss
        Pixels of the image that are lost on either side; negative where padding has added some.
    border
        Outermost pixels, on this grid, that depend on padding.
    """

    scale: int = 1
    loss: int = 0
    border: int = 0


def _nodes(steps: Sequence[Step]) -> list[_Node]:
    """Follow the steps forward, and describe the input and each output."""
    nodes = [_Node()]
    for step in steps:
        scale, loss, border = nodes[-1].scale, nodes[-1].loss, nodes[-1].border
        match step:
            case Convolve(radius, is_padded=True):
                nodes.append(_Node(scale, loss, border + radius))
            case Convolve(radius):
                nodes.append(_Node(scale, loss + radius * scale, border))
            case Pad(width):
                nodes.append(_Node(scale, loss - width * scale, border + width))
            case Down(factor):
                nodes.append(_Node(scale * factor, loss, -(-border // factor)))
            case Up(factor):
                if scale % factor:
                    raise ValueError(f"Pixels {scale} wide cannot be divided by {factor}")
                nodes.append(_Node(scale // factor, loss, step.border(border)))
            case Join(earlier):
                nodes.append(_joined(nodes[-1], nodes[earlier]))
            case Branch(earlier):
                nodes.append(nodes[earlier])
    return nodes


def _joined(first: _Node, second: _Node) -> _Node:
    """Describe what a join of two outputs gives, cropped to the smaller of them."""
    if first.scale != second.scale or (first.loss - second.loss) % first.scale:
        raise ValueError(f"Steps of different sizes cannot be joined: {first} and {second}")
    loss = max(first.loss, second.loss)
    border = max(node.border - (loss - node.loss) // node.scale for node in (first, second))
    return _Node(first.scale, loss, max(0, border))


def _sources(
    number: int, steps: Sequence[Step], nodes: Sequence[_Node], start: int, stop: int
) -> Iterator[tuple[int, int, int]]:
    """Yield the pixels of earlier outputs that the pixels `start` to `stop` of an output depend on.

    Yields
    ------
    number, start, stop
        Number of an earlier output, and its first and last pixel.
    """
    previous = number - 1
    match step := steps[previous]:
        case Convolve(radius, is_padded=True):
            yield previous, start - radius, stop + radius
        case Convolve(radius):
            yield previous, start, stop + 2 * radius
        case Pad(width):
            yield previous, start - width, stop - width
        case Down(factor):
            yield previous, factor * start, factor * stop + factor - 1
        case Up():
            yield previous, step.sources(start)[0], step.sources(stop)[1]
        case Join(earlier):
            for joined in (previous, earlier):
                cut = (nodes[number].loss - nodes[joined].loss) // nodes[number].scale
                yield joined, start + cut, stop + cut
        case Branch(earlier):
            yield earlier, start, stop


def _input_range(pixel: int, steps: Sequence[Step], nodes: Sequence[_Node]) -> tuple[int, int]:
    """Follow an output pixel backward to the first and the last input pixel that it depends on.

    Both may lie beyond the image, in its padding.
    """
    needed = {len(steps): (pixel, pixel)}
    for number in range(len(steps), 0, -1):
        if number not in needed:  # the output of this step is not used
            continue
        for source, start, stop in _sources(number, steps, nodes, *needed[number]):
            known_start, known_stop = needed.get(source, (start, stop))
            needed[source] = min(start, known_start), max(stop, known_stop)
    return needed[0]


def _fits(size: int, steps: Sequence[Step], nodes: Sequence[_Node]) -> bool:
    """Return whether each step can divide the size it gets, and the output is not empty."""
    for step, node in zip(steps, nodes, strict=False):
        if isinstance(step, Down):
            n_pixels = (size - 2 * node.loss) // node.scale
            if n_pixels <= 0 or n_pixels % step.factor:
                return False
    return size - 2 * nodes[-1].loss > 0


def round_up(n: int, step: int) -> int:
    """Return the smallest multiple of `step` that is at least `n`."""
    return -(-n // step) * step
