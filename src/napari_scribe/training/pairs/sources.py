"""Make noisy pairs: two pictures of the same thing, with independent noise.

Noise2Noise, Lehtinen et al. 2018, https://arxiv.org/abs/1803.04189: a network that is asked for one
picture from the other cannot predict its noise, and learns what both have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy.typing as npt

from ...arguments import checked
from ...arrays import check_finite
from ...errors import InputError
from ...image import AXES, Frame, Image
from ...io import ImageLike, as_image
from ...model import as_tuple
from ...targets.denoised import check_colours, check_intensities
from ...wording import counted

Way = Literal["consecutive", "even-odd", "near", "all"]
REACH = 3
"""Largest distance of two frames that are paired as ``near``."""


@dataclass(frozen=True)
class View:
    """Describe one noisy picture: a frame of an image, some of its channels.

    Parameters
    ----------
    image, frame, channels
        The pixels, which are read on demand.
    shift
        Drift in pixels per spatial axis: how far its content has moved from the reference, which
        may be any view. Empty if nothing moved.
    gains, offsets
        One per channel: ``gain * pixels + offset`` has the brightness of the reference. Empty if
        the brightness is not corrected.
    """

    image: Image = field(repr=False)
    frame: Frame
    channels: tuple[int, ...]
    shift: tuple[float, ...] = ()
    gains: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()

    def read(self, window: Sequence[slice]) -> npt.NDArray[Any]:
        """Read pixels ``(C, *window)``, in the type of the image.

        Raises
        ------
        InputError
            If some are NaN or infinite.
        """
        pixels = self.image.read(self.frame, window, self.channels)
        check_finite(pixels, self.in_words())
        return pixels

    def in_words(self) -> str:
        """Name the picture, such as "movie, T 3"."""
        return ", ".join([self.image.name, *(f"{axis} {i}" for axis, i in self.frame)])


@dataclass(frozen=True)
class Pairs:
    """Hold noisy pairs to train a denoiser with; see `frame_pairs` and its siblings.

    Parameters
    ----------
    views
        Noisy pictures.
    pairs
        Numbers of the two views of each pair. If both are the same, it is a single picture, and
        pairs are made of its neighbouring pixels (Neighbor2Neighbor).
    dimensions
        2 or 3: number of spatial axes that the network sees.
    leaves_out_motion
        Whether places where the two pictures differ by more than noise are left out.
    is_ordered
        Whether the first of a pair is always the input of the network and the second its target,
        for example if the second is clean. Else they are swapped at random.
    """

    views: tuple[View, ...]
    pairs: tuple[tuple[int, int], ...]
    dimensions: int = 2
    leaves_out_motion: bool = False
    is_ordered: bool = False

    def __post_init__(self) -> None:
        if not self.pairs:
            raise InputError("There is no pair to learn from.")
        for a, b in self.pairs:
            one, other = self.views[a], self.views[b]
            if self.shape(a) != self.shape(b):
                raise InputError(
                    f"{one.in_words()} and {other.in_words()} differ in shape: {self.shape(a)} and "
                    f"{self.shape(b)}. The two of a pair need the same."
                )
        if len({a == b for a, b in self.pairs}) > 1:
            raise InputError("Pairs and single pictures cannot be trained on together.")
        counts = {len(view.channels) for view in self.views}
        if len(counts) > 1:
            raise InputError(f"Some pictures have {min(counts)} channels, others {max(counts)}.")

    def shape(self, view: int) -> tuple[int, ...]:
        """Return the shape of a view, in pixels along its spatial axes."""
        return self.views[view].image.frame_shape(self.dimensions)

    def drift(self, pair: int) -> list[float]:
        """Return the drift from the first to the second view of a pair, in pixels per axis."""
        one, other = (self.views[i].shift for i in self.pairs[pair])
        still = (0.0,) * self.dimensions
        return [b - a for a, b in zip(one or still, other or still, strict=True)]

    def fraction(self, pair: int) -> list[float]:
        """Return the part of a drift beyond whole pixels; 0 if it is too small to matter."""
        fraction = [d - round(d) for d in self.drift(pair)]
        return fraction if max(map(abs, fraction)) > 0.02 else [0.0] * len(fraction)

    @property
    def is_single(self) -> bool:
        """Return whether the pictures are single: then pairs are made of neighbouring pixels."""
        return all(a == b for a, b in self.pairs)

    @property
    def images(self) -> list[Image]:
        """Return the images of the views, each once."""
        return list({id(view.image): view.image for view in self.views}.values())

    def without(self, views: Sequence[int]) -> Pairs:
        """Return the pairs without some views.

        Raises
        ------
        InputError
            If no pair is left.
        """
        pairs = tuple(pair for pair in self.pairs if not set(pair) & set(views))
        if not pairs:
            raise InputError("No pair is left without these frames: leave out fewer.")
        return replace(self, pairs=pairs)

    def registered(self, shifts: Sequence[Iterable[float]]) -> Pairs:
        """Return the pairs with the drift of each view: see `View.shift`."""
        views = [
            replace(v, shift=tuple(map(float, s))) for v, s in zip(self.views, shifts, strict=True)
        ]
        return replace(self, views=tuple(views))

    def matched(
        self, gains: Sequence[Iterable[float]], offsets: Sequence[Iterable[float]]
    ) -> Pairs:
        """Return the pairs with the brightness of each view: see `View.gains`."""
        views = [
            replace(v, gains=tuple(map(float, g)), offsets=tuple(map(float, o)))
            for v, g, o in zip(self.views, gains, offsets, strict=True)
        ]
        return replace(self, views=tuple(views))


def as_pairs(pairs: Pairs | ImageLike) -> Pairs:
    """Return pairs unchanged, or make pairs of neighbouring frames of a stack."""
    return pairs if isinstance(pairs, Pairs) else frame_pairs(pairs)


@checked
def frame_pairs(
    stack: ImageLike,
    how: Way = "consecutive",
    axis: str = "",
    *,
    channels: Sequence[int] | None = None,
    dimensions: int = 2,
) -> Pairs:
    """Make pairs of the frames of one stack.

    Parameters
    ----------
    stack
        An `Image`, an array or a path.
    how
        ``consecutive``: each frame and the next; ``even-odd``: the first with the second, the
        third with the fourth; ``near``: each with the three frames after it; ``all``: each with
        all others, for a scene that does not change.
    axis
        Axis that the frames lie along. When empty, T if it has several frames, else Z.
    channels
        Which channels of the stack are denoised, together; all when None.
    dimensions
        3 where Z is depth.

    Raises
    ------
    InputError
        If there is no such axis, or it has one frame only.
    """
    if how not in get_args(Way):
        raise InputError(f"Frames are paired {', '.join(get_args(Way))}, not {how!r}.")
    image = as_image(stack)
    _chosen(image, channels)
    iterated = image.iterated_axes(dimensions)
    axis = axis or next((a for a in iterated if image.length(a) > 1), "")
    if not axis or axis not in iterated or image.length(axis) < 2:
        what = f"has no axis {axis} of" if axis and axis not in iterated else "has no"
        text, options = _instead(image, axis, dimensions)
        raise InputError(
            f"{image.name} (axes {image.axes}, shape {image.shape}) {what} frames to make pairs "
            f"of. {text}",
            **options,
        )
    views = tuple(_views(image, channels, dimensions))
    number = {view.frame: i for i, view in enumerate(views)}
    n = image.length(axis)
    pairs = []
    for frame in number:
        for partner in _partners(dict(frame)[axis], n, how):
            other = tuple((a, partner if a == axis else i) for a, i in frame)
            pairs.append((number[frame], number[other]))
    return Pairs(views, tuple(pairs), dimensions)


@checked
def slice_pairs(stack: ImageLike, *, channels: Sequence[int] | None = None) -> Pairs:
    """Make pairs of neighbouring slices along Z, for stacks in which they hardly differ."""
    return frame_pairs(stack, axis="Z", channels=channels)


@checked
def layer_pairs(
    first: Any, second: Any, *, channels: Sequence[int] | None = None, dimensions: int = 2
) -> Pairs:
    """Make pairs of each frame of one image with the same frame of another.

    Raises
    ------
    InputError
        If the images differ in shape.
    """
    one, other = as_image(first), as_image(second)
    if any(one.length(a) != other.length(a) for a in AXES):
        raise InputError(
            f"{one.name} (axes {one.axes}, shape {one.shape}) and {other.name} (axes {other.axes}, "
            f"shape {other.shape}) make no pairs: they need the same axes and shape."
        )
    return _one_by_one(
        [*_views(one, channels, dimensions), *_views(other, channels, dimensions)], dimensions
    )


@checked
def file_pairs(
    images: Sequence[ImageLike], *, channels: Sequence[int] | None = None, dimensions: int = 2
) -> Pairs:
    """Make pairs of the first image with the second, the third with the fourth, frame by frame.

    Raises
    ------
    InputError
        If their number is odd, or the two of a pair differ in shape.
    """
    if not isinstance(images, list | tuple):
        raise InputError("Give a list of images: file_pairs([first, second]).")
    if len(images) < 2 or len(images) % 2:
        raise InputError(
            f"{counted(len(images), 'image')} make{'s' * (len(images) == 1)} no pairs: give the "
            "first with the second, the third with the fourth, and so on."
        )
    parts = [
        layer_pairs(a, b, channels=channels, dimensions=dimensions)
        for a, b in zip(images[::2], images[1::2], strict=True)
    ]
    return joined(parts)


@checked
def channel_pairs(stack: ImageLike, first: int, second: int, *, dimensions: int = 2) -> Pairs:
    """Make pairs of one channel with another: two detectors that see the same.

    Raises
    ------
    InputError
        If the image lacks one of them, or they are the same.
    """
    image = as_image(stack)
    if image.n_channels == 1:
        raise InputError(f"{image.name} has one channel only: two are needed to make pairs of.")
    _chosen(image, [first, second])
    if first == second:
        raise InputError(f"Channel {first} makes no pair with itself: choose two.")
    return _one_by_one(
        [*_views(image, [first], dimensions), *_views(image, [second], dimensions)], dimensions
    )


@checked
def single_pairs(
    images: ImageLike | Sequence[ImageLike],
    *,
    channels: Sequence[int] | None = None,
    dimensions: int = 2,
) -> Pairs:
    """Prepare single noisy images: pairs are made of neighbouring pixels during training.

    Neighbor2Neighbor, Huang et al. 2021, https://arxiv.org/abs/2101.02824.

    Parameters
    ----------
    images
        One image, or a list of them; each frame is taken by itself.
    """
    listed: Sequence[Any] = images if isinstance(images, list | tuple) else [images]
    views = [v for i in listed for v in _views(as_image(i), channels, dimensions)]
    return Pairs(tuple(views), tuple((i, i) for i in range(len(views))), dimensions)


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Join the pairs of all parts; all settings are those of the first part."""
    views: list[View] = []
    pairs: list[tuple[int, int]] = []
    for part in parts:
        pairs += [(a + len(views), b + len(views)) for a, b in part.pairs]
        views += part.views
    return replace(parts[0], views=tuple(views), pairs=tuple(pairs))


def _chosen(image: Image, channels: Sequence[int] | None) -> tuple[int, ...]:
    """Return the numbers of the channels, and check that noise can be removed from them."""
    chosen = as_tuple(channels, image)
    check_intensities(image)
    check_colours(image, chosen)
    return chosen


def _instead(image: Image, axis: str, dimensions: int) -> tuple[str, dict[str, object]]:
    """Say what to do if an image has no frames along an axis, and return the options for it."""
    alone = "train on single images"
    if axis == "Z" and image.length("T") > 1:
        return "Its frames follow each other in time (T): take those.", {"pairs": "frames"}
    if dimensions == 3 and image.length("Z") > 1:
        text = f"It is one volume: take its slices one by one, or {alone}."
        return text, {"volumes": False, "pairs": "single"}
    if image.n_channels > 1 and not image.is_rgb:
        text = f"If its channels are frames, name the axes; if not, {alone}."
        return text, {"axes": "TYX", "pairs": "single"}
    return f"It is a single one: {alone}.", {"pairs": "single"}


def _views(image: Image, channels: Sequence[int] | None, dimensions: int) -> Iterator[View]:
    """Yield a view of each frame of an image."""
    chosen = _chosen(image, channels)
    for frame in image.frames(dimensions):
        yield View(image, frame, chosen)


def _one_by_one(views: Sequence[View], dimensions: int) -> Pairs:
    """Make pairs of the first half of some views with the second half."""
    half = len(views) // 2
    return Pairs(tuple(views), tuple((i, i + half) for i in range(half)), dimensions)


def _partners(frame: int, n: int, how: Way) -> range:
    """Return the later frames, of `n` in all, that make pairs with a frame."""
    if how == "even-odd":
        return range(frame + 1, min(n, frame + 2 - frame % 2))
    reach = {"consecutive": 1, "near": REACH, "all": n}[how]
    return range(frame + 1, min(n, frame + 1 + reach))
