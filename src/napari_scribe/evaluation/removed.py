"""What a denoiser took away, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

TOO_ALIKE = 0.05
TOO_BRIGHT = 0.35
TOO_EDGED = 0.35
TOO_MUCH_LEFT = 0.7
"""Correlations from which noise is not plain, and structure is missing.

Good denoisers are not clean in the strict sense: they smooth a little and leave a little noise, and
both show. These bounds let an ideal one pass always, and a trained one as long as it is good. The
last is no correlation: half of the power of the noise.
"""

Direction = Literal["rows", "columns", "all round"]


@dataclass(frozen=True)
class Removed:
    """What was taken away from one channel of an image.

    Parameters
    ----------
    autocorrelation
        Of the removed noise with itself some pixels on: the largest of all shifts up to 8 pixels.
        About 0 for noise that is independent from pixel to pixel.
    direction
        Along which pixels are alike: the ``rows``, the ``columns``, or ``all round``.
    brightness
        Correlation of the removed noise with the result, both as local means: above 0 where
        light was taken from what is bright, below where it was added.
    edges
        Correlation with the edges of the result (its negative Laplacian of Gaussian): above 0
        where peaks and rims were flattened, below where they were sharpened.
    share
        How much contrast went with the noise, as a part of that of the result: 0.02 is two per
        cent.
    left
        How much of what differs from pixel to pixel is still in the result: 1 is all of it, above
        1 the result differs more from pixel to pixel than the image does.
    chance_autocorrelation, chance_brightness, chance_edges
        What independent noise of this strength gives by chance, for this many pixels.
    n_pixels
        How many pixels were looked at.
    channel
        Which channel this is; None where there is one only.
    """

    autocorrelation: float
    direction: Direction
    brightness: float
    edges: float
    share: float
    left: float
    chance_autocorrelation: float
    chance_brightness: float
    chance_edges: float
    n_pixels: int
    channel: int | None = None

    @property
    def is_alike(self) -> bool:
        """Whether neighbouring pixels of the removed noise go together."""
        return self.autocorrelation > max(TOO_ALIKE, self.chance_autocorrelation)

    @property
    def has_brightness(self) -> bool:
        """Whether it follows what is bright in the result."""
        return abs(self.brightness) > max(TOO_BRIGHT, self.chance_brightness)

    @property
    def has_edges(self) -> bool:
        """Whether it follows edges of the result."""
        return abs(self.edges) > max(TOO_EDGED, self.chance_edges)

    @property
    def is_little(self) -> bool:
        """Whether most of the noise is still there."""
        return self.left > TOO_MUCH_LEFT

    @property
    def is_clean(self) -> bool:
        """Whether it looks like nothing but noise, and like most of it."""
        return not (self.is_alike or self._has_structure or self.is_little)

    def in_words(self) -> str:
        """What was found and what may help, in a sentence or two."""
        where = "" if self.channel is None else f" from channel {self.channel}"
        if self.is_clean:
            return (
                f"What was removed{where} looks like noise: neighbouring pixels are independent "
                f"(correlation {_short(self.autocorrelation)}), and it follows neither edges "
                f"({_short(self.edges)}) nor brightness ({_short(self.brightness)}) of the image."
            )
        if self.is_little:  # what else there is says more about the network than about the image
            return self._of_little(where)
        return f"What was removed{where} is not only noise: {'; '.join(self._findings())}."

    def _of_little(self, where: str) -> str:
        """Where hardly any noise was removed, or none."""
        if round(self.left, 2) > 1:
            return (
                f"No noise was removed{where}: pixels of the result differ {self.left:.3g} times "
                "as much from their neighbours as those of the image, so the denoiser added to it. "
                "Train longer, or on images like this one."
            )
        return (
            f"Little noise was removed{where}: {self.left:.0%} of what differs from pixel to pixel "
            "is still there. Train longer, or on more frames. (An image of fine texture under "
            "little noise looks like this, too.)"
        )

    def _contrast(self) -> str:
        """How much of the contrast of the image was lost or gained."""
        if self.share <= -0.5:  # the result has twice the contrast, or another one
            return "more than all of the contrast"
        return f"{abs(self.share / (1 + self.share)):.1%} of the contrast"

    def _findings(self) -> Iterator[str]:
        # A change of gain shows at edges as well, but more in brightness.
        is_gain = self.has_brightness and abs(self.brightness) > abs(self.edges)
        if self.has_edges and self.edges > 0 and not is_gain:
            yield (
                f"it follows edges of the image (correlation {_short(self.edges)}), so the "
                "denoiser blurs, or leaves noise standing: train longer, or on more frames"
            )
        elif self.has_edges and not is_gain:
            yield (
                f"edges were added that the image did not show ({_short(self.edges)}): do not "
                "trust fine detail, and train on more frames"
            )
        if self.has_brightness:
            change = "lost" if self.brightness > 0 else "gained"
            yield (
                f"bright structures {change} light (correlation {_short(self.brightness)}, "
                f"{self._contrast()}): do not measure intensities in the result"
            )
        # Structure is alike all round by itself: no reason to blame the camera for it.
        if self.is_alike and (self.direction != "all round" or not self._has_structure):
            along = self.direction if self.direction == "all round" else f"along {self.direction}"
            why = (
                "blur or compression" if self.direction == "all round" else "stripes of the camera"
            )
            yield (
                f"neighbouring pixels of it are alike ({_short(self.autocorrelation)} {along}), as "
                f"after {why}: such noise does not average out, so use images as the camera "
                "wrote them"
            )

    @property
    def _has_structure(self) -> bool:
        return self.has_edges or self.has_brightness

    @property
    def excess(self) -> float:
        """How far the worst of the numbers is over its bound; clean below 1."""
        return max(
            self.autocorrelation / max(TOO_ALIKE, self.chance_autocorrelation),
            abs(self.brightness) / max(TOO_BRIGHT, self.chance_brightness),
            abs(self.edges) / max(TOO_EDGED, self.chance_edges),
            self.left / TOO_MUCH_LEFT,
        )


def _short(number: float) -> str:
    """A correlation in two digits: .31."""
    return f"{number:.2f}".replace("0.", ".", 1)
