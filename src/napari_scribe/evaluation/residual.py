"""Check that only noise was removed, from the residual: the noisy minus the denoised image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from ..arguments import checked
from ..arrays import Floats, check_finite
from ..errors import InputError
from ..image import Frame, Image
from ..io import ImageLike
from ..windows import Window
from .autocorrelation import autocorrelate, stripe_direction
from .images import same_size

Block = tuple[Floats, Floats]
"""The residual in a window of a plane, and the denoised result there."""
Direction = Literal["rows", "columns", "all round"]

TOO_ALIKE = 0.05
TOO_BRIGHT = 0.35
TOO_EDGED = 0.35
TOO_MUCH_LEFT = 0.7
"""Bounds above which noise is correlated, or structure is missing.

Good denoisers are not perfect: they smooth a little and leave a little noise, and both can be
measured. With these bounds an ideal denoiser always passes, and a trained one if it is good. The
first three bound correlations. The last one bounds the rest of the noise: half of its power.
"""
SAMPLE = 2_000_000
"""How many pixels of a channel are checked at most."""
LAGS = 8
"""Longest distance at which the correlation of two pixels is measured."""
SMOOTHING = 1.5
"""Sigma of the Gaussian of local means, in pixels: noise averages out, structure stays."""
Z_SCORE = 5.0
"""Number of standard errors up to which a correlation may be chance."""
_ROUNDING = 1e-6
"""Share of the brightest pixel up to which a difference is rounding of float32, not noise."""
_SIDE = 256
"""Side of the windows that are read, in pixels."""
_SMALLEST = 32
"""Fewest pixels along Y and X."""
_TINY = np.finfo(float).tiny
"""Instead of 0 where it is divided by."""
_DIFFERENCES = np.outer([1, -2, 1], [1, -2, 1])
"""A kernel that removes smooth shades and straight edges: noise and fine texture remain."""


@dataclass(frozen=True)
class Removed:
    """Describe what was removed from one channel of an image.

    Parameters
    ----------
    autocorrelation
        Correlation of the residual with itself: the largest of all shifts by up to 8 pixels. It is
        about 0 for noise that is independent from pixel to pixel.
    direction
        Direction of this correlation: along ``rows``, along ``columns``, or ``all round``.
    brightness
        Correlation of the residual with the result, both as local means. It is above 0 if bright
        places lost brightness, and below 0 if they gained some.
    edges
        Correlation of the residual with the edges of the result (its negative Laplacian of
        Gaussian). It is above 0 if peaks and rims were flattened, and below 0 if they were
        sharpened.
    share
        How much contrast was removed with the noise, as a share of that of the result: 0.02 is two
        per cent.
    left
        How much of the difference between neighbouring pixels is still in the result. At 1 it is
        all. Above 1, neighbouring pixels differ more in the result than in the image.
    chance_autocorrelation, chance_brightness, chance_edges
        Bounds of what independent noise of this strength gives by chance, for this many pixels.
    n_pixels
        How many pixels were checked.
    channel
        Number of the channel; None if there is only one.
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
        """Return whether neighbouring pixels of the residual are correlated."""
        return self.autocorrelation > max(TOO_ALIKE, self.chance_autocorrelation)

    @property
    def has_brightness(self) -> bool:
        """Return whether the residual follows what is bright in the result."""
        return abs(self.brightness) > max(TOO_BRIGHT, self.chance_brightness)

    @property
    def has_edges(self) -> bool:
        """Return whether the residual follows edges of the result."""
        return abs(self.edges) > max(TOO_EDGED, self.chance_edges)

    @property
    def is_little(self) -> bool:
        """Return whether most of the noise is still in the result."""
        return self.left > TOO_MUCH_LEFT

    @property
    def excess(self) -> float:
        """Return the worst number as a multiple of its bound; up to 1, all are within bounds."""
        return max(
            self.autocorrelation / max(TOO_ALIKE, self.chance_autocorrelation),
            abs(self.brightness) / max(TOO_BRIGHT, self.chance_brightness),
            abs(self.edges) / max(TOO_EDGED, self.chance_edges),
            self.left / TOO_MUCH_LEFT,
        )

    @property
    def is_clean(self) -> bool:
        """Return whether only noise was removed, and most of it."""
        return self.excess <= 1

    def in_words(self) -> str:
        """Describe in a sentence or two what was found and what may help."""
        channel = "" if self.channel is None else f" from channel {self.channel}"
        if self.is_clean:
            return (
                f"What was removed{channel} looks like noise: neighbouring pixels are independent "
                f"(correlation {_short(self.autocorrelation)}), and it follows neither edges "
                f"({_short(self.edges)}) nor brightness ({_short(self.brightness)}) of the image."
            )
        if round(self.left, 2) > 1:
            return (
                f"No noise was removed{channel}: pixels of the result differ {self.left:.3g} times "
                "as much from their neighbours as those of the image, so the denoiser added noise. "
                "Train longer, or on images like this one."
            )
        if self.is_little:  # the other numbers would only describe the untrained network
            return (
                f"Little noise was removed{channel}: {100 * self.left:.0f} % of what differs from "
                "pixel to pixel is still there. Train longer, or on more frames. (An image of fine "
                "texture under little noise looks like this, too.)"
            )
        return f"What was removed{channel} is not only noise: {'; '.join(self._findings())}."

    def _findings(self) -> Iterator[str]:
        """Yield a part of a sentence for each number that is out of bounds."""
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
            contrast = "more than all"  # the result has at least twice the contrast
            if self.share > -0.5:
                contrast = f"{abs(self.share / (1 + self.share)):.1%}"
            yield (
                f"bright structures {change} brightness (correlation {_short(self.brightness)}, "
                f"{contrast} of the contrast): do not measure intensities in the result"
            )
        is_round = self.direction == "all round"
        # Removed structure is itself correlated all round: then the camera is not to blame.
        if self.is_alike and not (is_round and (self.has_edges or self.has_brightness)):
            along = self.direction if is_round else f"along {self.direction}"
            why = "blur or compression" if is_round else "stripes of the camera"
            yield (
                f"neighbouring pixels of it are alike ({_short(self.autocorrelation)} {along}), as "
                f"after {why}: such noise does not average out, so use images as the camera "
                "wrote them"
            )


@checked
def check_removed(noisy: ImageLike, denoised: ImageLike, seed: int = 0) -> Removed:
    """Check that a denoiser removed noise and nothing else.

    Structure does not show in single pixels of the residual, because noise is stronger. It shows
    in local means. Noise that is stronger in bright places, such as that of photons, passes: its
    mean is 0 there, too.

    Parameters
    ----------
    noisy, denoised
        Images, arrays or files with the same number of pixels along every axis of ``TCZYX``, in
        the same units, at least 32 along Y and X. Both may be lazy: windows at random places are
        read, with about 2 million pixels per channel in all.
    seed
        Decides the places of the windows.

    Returns
    -------
    removed
        What was removed; of several channels, the worst one.

    Raises
    ------
    InputError
        If sizes differ, some of the pixels that were read are NaN or infinite, the noisy image is
        flat, or the two images are the same up to an offset.
    """
    before, after = same_size(noisy, denoised)
    smallest = min(before.length("Y"), before.length("X"))
    if smallest < _SMALLEST:
        raise InputError(
            f"{before.name} is {smallest} pixels wide: {_SMALLEST} are needed to tell noise from "
            "structure."
        )
    pairs = list(_read_blocks(before, after, np.random.default_rng(seed)))
    channels = {c: [(r[c], d[c]) for r, d in pairs] for c in range(before.n_channels)}
    channels = {c: blocks for c, blocks in channels.items() if not _is_flat(blocks)}
    if not channels:
        raise InputError(f"{before.name} is the same everywhere: there is no noise in it.")
    measured = [
        _measure(blocks, channel if before.n_channels > 1 else None)
        for channel, blocks in channels.items()
        if any(residual.any() for residual, _ in blocks)
    ]
    if not measured:
        raise InputError(
            f"Nothing was removed: {before.name} and {after.name} are the same image. Give the "
            "noisy one and the denoised one."
        )
    return max(measured, key=lambda removed: removed.excess)


def _read_blocks(noisy: Image, denoised: Image, rng: np.random.Generator) -> Iterator[Block]:
    """Yield blocks ``(C, Y, X)`` from a grid, so that none overlap; residuals have mean 0."""
    frames = list(noisy.frames(2))
    edges = [np.linspace(0, n, 1 + max(1, n // _SIDE)).astype(int) for n in noisy.frame_shape(2)]
    grid = [len(frames), *(len(e) - 1 for e in edges)]
    wanted = max(1, SAMPLE * math.prod(grid[1:]) // math.prod(noisy.frame_shape(2)))
    n = math.prod(grid)
    for number in np.sort(rng.choice(n, min(n, wanted), replace=False)):
        frame, *cells = np.unravel_index(number, grid)
        window = tuple(slice(int(e[i]), int(e[i + 1])) for e, i in zip(edges, cells, strict=True))
        before, after = (_read(image, frames[frame], window) for image in (noisy, denoised))
        residual = before - after
        residual -= residual.mean(axis=(1, 2), keepdims=True)
        largest, brightest = (np.abs(pixels).max(axis=(1, 2)) for pixels in (residual, before))
        residual[largest <= _ROUNDING * brightest] = 0
        yield residual, after


def _read(image: Image, frame: Frame, window: Window) -> Floats:
    block: Floats = image.read(frame, window).astype(np.float64)
    check_finite(block, image.name)
    return block


def _is_flat(blocks: Sequence[Block]) -> bool:
    """Return whether a channel of the noisy image is constant."""
    noisy = [residual + result for residual, result in blocks]
    return all(np.ptp(n) <= _ROUNDING * max(1e-30, np.abs(n).max()) for n in noisy)


def _measure(blocks: Sequence[Block], channel: int | None) -> Removed:
    """Measure the residual of one channel."""
    correlation, error = autocorrelate((residual for residual, _ in blocks), LAGS)
    correlation[LAGS, LAGS] = -1.0
    largest = np.unravel_index(correlation.argmax(), correlation.shape)
    brightness, chance_brightness, share = _correlate(blocks, _local_mean)
    edges, chance_edges, _ = _correlate(blocks, _peaks)
    return Removed(
        autocorrelation=float(correlation[largest]),
        direction=stripe_direction(correlation, np.max, np.max) or "all round",
        brightness=brightness,
        edges=edges,
        share=share,
        left=_sum_differences(result for _, result in blocks)
        / max(_sum_differences(residual + result for residual, result in blocks), _TINY),
        chance_autocorrelation=Z_SCORE * float(error[largest]),
        chance_brightness=chance_brightness,
        chance_edges=chance_edges,
        n_pixels=sum(residual.size for residual, _ in blocks),
        channel=channel,
    )


def _sum_differences(planes: Iterable[Floats]) -> float:
    """Return the sum of the differences between neighbouring pixels of some planes."""
    return sum(float(np.abs(ndimage.convolve(p, _DIFFERENCES)).sum()) for p in planes)


def _correlate(
    blocks: Sequence[Block], feature: Callable[[Floats], Floats]
) -> tuple[float, float, float]:
    """Correlate the local mean of the residual with a feature of the result.

    Return the correlation, its bound by chance, and the slope. For the bound, the feature is
    smoothed instead of the noise. The variance of its product with the noise of each pixel is then
    known, even if the strength of noise differs from pixel to pixel.
    """
    smooth = np.concatenate([_local_mean(residual).ravel() for residual, _ in blocks])
    features = [feature(result) for _, result in blocks]
    features = [f - f.mean() for f in features]
    error = sum(
        float(np.square(residual * _local_mean(f)).sum())
        for (residual, _), f in zip(blocks, features, strict=True)
    )
    joined = np.concatenate([f.ravel() for f in features])
    if not joined.any():
        return 0.0, 0.0, 0.0
    product, scale = float(smooth @ joined), float(np.linalg.norm(smooth) * np.linalg.norm(joined))
    return product / scale, Z_SCORE * math.sqrt(error) / scale, product / float(joined @ joined)


def _local_mean(plane: Floats) -> Floats:
    return np.asarray(ndimage.gaussian_filter(plane, SMOOTHING))


def _peaks(plane: Floats) -> Floats:
    """Return a map that is above 0 on peaks and inside rims, and below 0 in gaps and outside."""
    return np.asarray(-ndimage.gaussian_laplace(plane, SMOOTHING))


def _short(number: float) -> str:
    """Write a number with two digits after the point, such as .31."""
    return f"{number:.2f}".replace("0.", ".", 1)
