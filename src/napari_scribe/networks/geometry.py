"""Compute which input pixels an output pixel depends on, and which sizes a network takes.

All numbers are pixels along one axis; a network has one geometry per spatial axis.

A network is written down as the list of its steps along an axis. A step works on what the step
before it gives; `Join` and `Branch` name an earlier step by its place, where 0 is the input and 1
what the first step of the list gives. A U-Net of depth 1 is::

    Convolve(2), Down(2), Convolve(2), Up(2), Join(1), Convolve(2)

a block with an added skip is ``Convolve(1), Convolve(1), Join(0)``, and two outputs are two
branches that are joined in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm


@dataclass(frozen=True)
class Convolve:
    """Describe a convolution, or whatever else looks `radius` pixels to either side.

    Several in a row are one whose radius is the sum. Without padding the size shrinks.
    """

    radius: int
    is_padded: bool = True


@dataclass(frozen=True)
class Down:
    """Describe pooling: pixels become one in groups of `factor`."""

    factor: int


@dataclass(frozen=True)
class Up:
    """Describe upsampling: each pixel becomes `factor` of them."""

    factor: int


@dataclass(frozen=True)
class Join:
    """Describe how an earlier step is added or concatenated; the larger one is cropped alike."""

    step: int


@dataclass(frozen=True)
class Branch:
    """Describe a second path: the next step works on what an earlier step gives."""

    step: int


Step = Convolve | Down | Up | Join | Branch


@dataclass(frozen=True)
class Geometry:
    """Hold what tiling and training need to know of a network, along one axis.

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
        Smallest input that gives something back. Inputs are this large or larger by a multiple of
        the stride.
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
            If the steps do not fit together: their sizes differ where they are joined, or what
            they give is not as fine as the image.
        """
        nodes = _nodes(steps)
        last = nodes[-1]
        if last.scale != 1:
            raise ValueError(f"The last step gives pixels {last.scale} times as large as the image")
        stride, shrinkage = lcm(*(node.scale for node in nodes)), last.loss
        # Every condition on the size holds for one remainder of the division by the stride.
        sizes = range(1, 2 * shrinkage + stride + 1)
        smallest = next((n for n in sizes if _fits(n, steps, nodes)), None)
        if smallest is None:
            raise ValueError("There is no size that all steps can divide")
        reach = 0
        for pixel in range(stride):
            start, stop = _seen(pixel, steps, nodes)
            reach = max(reach, pixel + shrinkage - start, stop - pixel - shrinkage)
        return cls(stride, reach, shrinkage, last.border, smallest)

    @property
    def halo(self) -> int:
        """Return how many pixels of input a tile needs around what it keeps.

        With these, what is kept does not depend on where the tile ends. Beyond what is lost anyway
        it is a multiple of the stride, so that pooling stays on one grid.
        """
        return self.shrinkage + _round_up(self.border, self.stride)

    def takes(self, size: int) -> bool:
        """Return whether the network takes an input of this size and gives something back."""
        return size >= self.smallest and (size - self.smallest) % self.stride == 0

    def input_size(self, inner: int, halo: int | None = None) -> int:
        """Return the smallest size that the network takes with a halo around `inner` pixels."""
        size = max(self.smallest, inner + 2 * (self.halo if halo is None else halo))
        return self.smallest + _round_up(size - self.smallest, self.stride)

    def output_size(self, size: int) -> int:
        """Return the size that comes out for a size that goes in."""
        return size - 2 * self.shrinkage


def sides(longest: int, geometry: Sequence[Geometry]) -> tuple[int, ...]:
    """Return the sides of a piece of an image, in pixels; of one length where pixels are not.

    An axis that is halved less often has larger pixels, thick slices: it gets fewer of them.
    """
    coarsest = max(g.stride for g in geometry)
    return tuple(-(-longest * g.stride // coarsest) for g in geometry)


@dataclass(frozen=True)
class _Node:
    """Hold what is known of the pixels that a step gives, on a grid of its own.

    Parameters
    ----------
    scale
        Pixels of the image that one of these pixels is wide.
    loss
        Pixels of the image that are lost on either side.
    border
        Outermost pixels, on this grid, that depend on padding.
    """

    scale: int = 1
    loss: int = 0
    border: int = 0


def _nodes(steps: Sequence[Step]) -> list[_Node]:
    """Follow the steps forward: what is known of the input, and of what each step gives."""
    nodes = [_Node()]
    for step in steps:
        scale, loss, border = nodes[-1].scale, nodes[-1].loss, nodes[-1].border
        match step:
            case Convolve(radius, is_padded=True):
                nodes.append(_Node(scale, loss, border + radius))
            case Convolve(radius):
                nodes.append(_Node(scale, loss + radius * scale, border))
            case Down(factor):
                nodes.append(_Node(scale * factor, loss, -(-border // factor)))
            case Up(factor):
                if scale % factor:
                    raise ValueError(f"Pixels {scale} wide cannot be divided by {factor}")
                nodes.append(_Node(scale // factor, loss, border * factor))
            case Join(earlier):
                nodes.append(_joined(nodes[-1], nodes[earlier]))
            case Branch(earlier):
                nodes.append(nodes[earlier])
    return nodes


def _joined(one: _Node, other: _Node) -> _Node:
    if one.scale != other.scale or (one.loss - other.loss) % one.scale:
        raise ValueError(f"Steps of different sizes cannot be joined: {one} and {other}")
    loss = max(one.loss, other.loss)
    border = max(node.border - (loss - node.loss) // node.scale for node in (one, other))
    return _Node(one.scale, loss, max(0, border))


def _sources(
    place: int, steps: Sequence[Step], nodes: Sequence[_Node], start: int, stop: int
) -> Iterator[tuple[int, int, int]]:
    """Yield which pixels of earlier steps the pixels `start` to `stop` of a step depend on.

    Yields
    ------
    place, start, stop
        Place of an earlier step, and its first and last pixel.
    """
    before = place - 1
    match steps[before]:
        case Convolve(radius, is_padded=True):
            yield before, start - radius, stop + radius
        case Convolve(radius):
            yield before, start, stop + 2 * radius
        case Down(factor):
            yield before, factor * start, factor * stop + factor - 1
        case Up(factor):
            yield before, start // factor, stop // factor
        case Join(earlier):
            for joined in (before, earlier):
                cut = (nodes[place].loss - nodes[joined].loss) // nodes[place].scale
                yield joined, start + cut, stop + cut
        case Branch(earlier):
            yield earlier, start, stop


def _seen(pixel: int, steps: Sequence[Step], nodes: Sequence[_Node]) -> tuple[int, int]:
    """Follow an output pixel backward: the first and the last input pixel it depends on.

    Both may lie beyond the image, in its padding.
    """
    needed = {len(steps): (pixel, pixel)}
    for place in range(len(steps), 0, -1):
        if place not in needed:  # a step that nothing is made of
            continue
        for source, start, stop in _sources(place, steps, nodes, *needed[place]):
            known_start, known_stop = needed.get(source, (start, stop))
            needed[source] = min(start, known_start), max(stop, known_stop)
    return needed[0]


def _fits(size: int, steps: Sequence[Step], nodes: Sequence[_Node]) -> bool:
    """Return whether no step meets a size that it cannot divide, and pixels come out."""
    for step, node in zip(steps, nodes, strict=False):
        if isinstance(step, Down):
            there = (size - 2 * node.loss) // node.scale
            if there <= 0 or there % step.factor:
                return False
    return size - 2 * nodes[-1].loss > 0


def _round_up(n: int, step: int) -> int:
    return -(-n // step) * step
