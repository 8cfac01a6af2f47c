"""Describe where noisy pairs come from, and which of these ways an image has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ...image import Image

if TYPE_CHECKING:
    from ...training.pairs.sources import Pairs, Way

FRAMES, NEAR, TWO_BY_TWO, REPEATS = "consecutive", "near", "even-odd", "all"
SLICES, CHANNELS, LAYER, SINGLE = "slices", "channels", "layer", "single"
WAYS = {
    FRAMES: (
        "Each frame with the next",
        "For a movie in which little changes from one frame to the next.",
    ),
    NEAR: (
        "Frames up to three apart",
        "For a movie of few frames in which hardly anything moves: more pairs to learn from.",
    ),
    TWO_BY_TWO: (
        "Frames two by two",
        "For a movie that was taken in twos: the first with the second, the third with the fourth.",
    ),
    SLICES: (
        "Neighbouring slices",
        "For a z-stack with slices so close that neighbours look alike. A movie? Then write T for "
        "its axis.",
    ),
    REPEATS: (
        "Repeated shots",
        "For the same thing taken several times without a change: each shot with each.",
    ),
    CHANNELS: (
        "Two channels",
        "For two detectors that see the same thing. Not for two dyes.",
    ),
    LAYER: (
        "Another layer",
        "For two images of the same thing, such as two exposures, in two layers of one size.",
    ),
    SINGLE: (
        "The image itself",
        "For a single noisy image: its neighbouring pixels make the pairs. Finest details may "
        "suffer, so take another way where there is one.",
    ),
}
"""What each way is called, and when to choose it."""


@dataclass(frozen=True, eq=False)
class PairSource:
    """Describe where pairs come from.

    Parameters
    ----------
    way
        One of `WAYS`.
    image
        What is denoised.
    channels
        Which of its channels; all when None.
    dimensions
        Of the network.
    other
        The other layer's image.
    two
        The two channels.
    """

    way: str
    image: Image
    channels: list[int] | None = None
    dimensions: int = 2
    other: Image | None = None
    two: tuple[int, int] = (0, 1)

    def make(self) -> Pairs:
        """Return the pairs; loads torch.

        Raises
        ------
        InputError
            If there are none.
        """
        from ...training.pairs import sources as pairs

        space: dict[str, Any] = {"dimensions": self.dimensions}
        if self.way == CHANNELS:
            return pairs.channel_pairs(self.image, *self.two, **space)
        if self.way == LAYER:
            return pairs.layer_pairs(self.image, self.other, channels=self.channels, **space)
        if self.way == SINGLE:
            return pairs.single_pairs(self.image, channels=self.channels, **space)
        if self.way == SLICES:
            return pairs.slice_pairs(self.image, channels=self.channels)
        return pairs.frame_pairs(self.image, cast("Way", self.way), channels=self.channels, **space)

    def is_same(self, other: PairSource) -> bool:
        """Return whether both make the same pairs."""
        values, others = (
            (s.way, s.image.axes, s.channels, s.dimensions, s.two) for s in (self, other)
        )
        arrays = [
            (s.image.data, s.other.data if s.other is not None else None) for s in (self, other)
        ]
        return values == others and all(a is b for a, b in zip(*arrays, strict=True))


def offered_ways(image: Image | None, dimensions: int, has_other: bool) -> list[str]:
    """Return the ways that an image has, the likeliest first."""
    if image is None:
        return [SINGLE]
    is_volume = dimensions == 3 and "Z" in image.axes
    iterated = image.iterated_axes(3 if is_volume else 2)
    lengths = {a: image.length(a) for a in iterated}
    ways: list[str] = []
    if lengths.get("T", 1) > 1:
        ways += [FRAMES, NEAR, TWO_BY_TWO]
    if lengths.get("Z", 1) > 1:
        ways.append(SLICES)
    if max(lengths.values(), default=1) > 1:
        ways.append(REPEATS)
    if image.n_channels > 1:
        ways.append(CHANNELS)
    ways += [LAYER] if has_other else []
    alone = SINGLE if ways[:1] in ([], [CHANNELS], [LAYER]) else ""
    return [alone, *ways] if alone else [*ways, SINGLE]
