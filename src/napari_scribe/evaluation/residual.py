"""Is what a denoiser took away only noise? Read from the difference of the two images alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ..errors import InputError
from ..image import Frame, Image
from .images import same_size

Floats = npt.NDArray[np.float64]
Block = tuple[Floats, Floats]
"""What was removed from a part of a plane, and the result there."""

SAMPLE = 2_000_000
"""How many pixels of a channel are looked at, at most."""
LAGS = 8
"""How far apart two pixels may lie that are compared, in pixels."""
SMOOTHING = 1.5
"""Sigma over which local means are taken, in pixels: noise averages out, structure stays."""
Z_SCORE = 5.0
"""How many standard errors count as what chance may give."""
TOO_ALIKE = 0.05
TOO_BRIGHT = 0.35
TOO_EDGED = 0.35
TOO_MUCH_LEFT = 0.7
"""Correlations from which noise is not plain, and structure is missing.

Good denoisers are not clean in the strict sense: they smooth a little and leave a little noise, and
both show. These bounds let an ideal one pass always, and a trained one as long as it is good. The
last is no correlation: half of the power of the noise.
"""
_ROUNDING = 1e-6
"""Part of the brightest pixel up to which a difference is one of float32, not noise."""
_SIDE = 256
_SMALLEST = 32
_DIFFERENCES = np.outer([1, -2, 1], [1, -2, 1])
"""Blind to smooth shades and straight edges: what it answers to is noise, and fine texture."""


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
        How much of the contrast of the image went with the noise: 0.02 is two per cent.
    left
        How much of what differs from pixel to pixel is still in the result: 1 is all of it.
    chance_autocorrelation, chance_brightness, chance_edges
        What independent noise of this strength gives by chance, for this many pixels.
    n_pixels
        How many pixels were looked at.
    channel
        Which channel this is; None where there is one only.
    """

    autocorrelation: float
    direction: Literal["rows", "columns", "all round"]
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
            return (
                f"Little noise was removed{where}: {self.left:.0%} of what differs from pixel to "
                "pixel is still there. Train longer, or on more frames. (An image of fine texture "
                "under little noise looks like this, too.)"
            )
        return f"What was removed{where} is not only noise: {'; '.join(self._findings())}."

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
                f"{abs(self.share):.1%} of the contrast): do not measure intensities in the result"
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
    def _excess(self) -> float:
        """How far the worst of the numbers is over its bound; clean below 1."""
        return max(
            self.autocorrelation / max(TOO_ALIKE, self.chance_autocorrelation),
            abs(self.brightness) / max(TOO_BRIGHT, self.chance_brightness),
            abs(self.edges) / max(TOO_EDGED, self.chance_edges),
            self.left / TOO_MUCH_LEFT,
        )


def check_removed(noisy: Any, denoised: Any, seed: int = 0) -> Removed:
    """Check that a denoiser took away noise and nothing else.

    Structure does not show in a single pixel of what was removed, as noise is stronger, but in its
    local means. Noise whose strength follows the signal, as that of photons, is no finding: its
    mean does not follow.

    Parameters
    ----------
    noisy, denoised
        Images, arrays or files with the same number of pixels along every axis of ``TCZYX``, in
        the same units, at least 32 along Y and X. Planes are looked at one by one, in seeded
        blocks of about 2 million pixels a channel: both may be lazy.
    seed
        Chooses the blocks.

    Returns
    -------
    removed
        Of several channels, that of the worst one.

    Raises
    ------
    InputError
        If sizes differ, there are NaN or infinite pixels in what is looked at, the noisy image is
        flat, or the two images are the same up to an offset.
    """
    noisy, denoised = same_size(noisy, denoised)
    smallest = min(noisy.length("Y"), noisy.length("X"))
    if smallest < _SMALLEST:
        raise InputError(
            f"{noisy.name} is {smallest} pixels wide: {_SMALLEST} are needed to tell noise from "
            "structure."
        )
    pairs = list(_blocks(noisy, denoised, np.random.default_rng(seed)))
    channels = {c: [(r[c], d[c]) for r, d in pairs] for c in range(noisy.n_channels)}
    seen = {channel: blocks for channel, blocks in channels.items() if not _is_flat(blocks)}
    if not seen:
        raise InputError(f"{noisy.name} is the same everywhere: there is no noise in it.")
    found = [
        _measure(blocks, channel if noisy.n_channels > 1 else None)
        for channel, blocks in seen.items()
        if any(removed.any() for removed, _ in blocks)
    ]
    if not found:
        raise InputError(
            f"Nothing was removed: {noisy.name} and {denoised.name} are the same image. Give the "
            "noisy one and the denoised one."
        )
    return max(found, key=lambda removed: removed._excess)


def _blocks(noisy: Image, denoised: Image, rng: np.random.Generator) -> Iterator[Block]:
    """Blocks ``(C, Y, X)`` drawn from a grid, so that none overlap; of mean 0 what was removed."""
    frames = list(noisy.frames(2))
    edges = [np.linspace(0, n, 1 + max(1, n // _SIDE)).astype(int) for n in noisy.frame_shape(2)]
    grid = [len(frames), *(len(e) - 1 for e in edges)]
    wanted = max(1, SAMPLE * math.prod(grid[1:]) // math.prod(noisy.frame_shape(2)))
    n = math.prod(grid)
    for at in np.sort(rng.choice(n, min(n, wanted), replace=False)):
        frame, *cells = np.unravel_index(at, grid)
        window = [slice(int(e[i]), int(e[i + 1])) for e, i in zip(edges, cells, strict=True)]
        before, after = (_read(image, frames[frame], window) for image in (noisy, denoised))
        removed = before - after
        removed -= removed.mean(axis=(1, 2), keepdims=True)
        largest, brightest = (np.abs(pixels).max(axis=(1, 2)) for pixels in (removed, before))
        removed[largest <= _ROUNDING * brightest] = 0
        yield removed, after


def _is_flat(blocks: list[Block]) -> bool:
    """Whether a channel of the noisy image holds nothing."""
    noisy = [removed + result for removed, result in blocks]
    return all(np.ptp(n) <= _ROUNDING * max(1e-30, np.abs(n).max()) for n in noisy)


def _read(image: Image, frame: Frame, window: list[slice]) -> Floats:
    block: Floats = image.read(frame, window).astype(np.float64)
    if not np.isfinite(block).all():
        raise InputError(
            f"{image.name} has NaN or infinite pixels. Replace them first, for example with "
            "numpy.nan_to_num."
        )
    return block


def _measure(blocks: list[Block], channel: int | None) -> Removed:
    """All numbers of one channel."""
    power, error = (sum(arrays) for arrays in zip(*map(_autocorrelation, blocks), strict=True))
    variance = power[LAGS, LAGS]
    alike = power / variance
    alike[LAGS, LAGS] = -1.0
    largest = tuple(np.unravel_index(alike.argmax(), alike.shape))
    brightness, chance_brightness, share = _follows(blocks, _local_mean)
    edges, chance_edges, _ = _follows(blocks, _peaks)
    return Removed(
        autocorrelation=float(alike[largest]),
        direction=_direction(alike),
        brightness=brightness,
        edges=edges,
        share=share,
        left=_differences(result for _, result in blocks)
        / _differences(removed + result for removed, result in blocks),
        chance_autocorrelation=Z_SCORE * float(np.sqrt(error[largest])) / float(variance),
        chance_brightness=chance_brightness,
        chance_edges=chance_edges,
        n_pixels=sum(removed.size for removed, _ in blocks),
        channel=channel,
    )


def _differences(planes: Iterable[Floats]) -> float:
    return sum(float(np.abs(ndimage.convolve(p, _DIFFERENCES)).sum()) for p in planes)


def _autocorrelation(block: Block) -> tuple[Floats, Floats]:
    """Sums over all pairs of pixels, ``(17, 17)`` by shift: of products, and of their squares.

    The squares are the variance of the products where pixels are independent, of whatever
    strength each of them is.
    """
    removed, _ = block
    shape = [fft.next_fast_len(n + LAGS, real=True) for n in removed.shape]
    shifts = np.arange(-LAGS, LAGS + 1)

    def pairs(pixels: Floats) -> Floats:
        spectrum = np.abs(fft.rfft2(pixels, shape)) ** 2
        sums: Floats = fft.irfft2(spectrum, shape)[np.ix_(shifts, shifts)]
        return sums

    return pairs(removed), np.maximum(pairs(np.square(removed)), 0)


def _direction(alike: Floats) -> Literal["rows", "columns", "all round"]:
    """Which shifts stand out: one direction does where it is twice as alike as any other."""
    along_rows = alike[LAGS, LAGS + 1 :].max()
    along_columns = alike[LAGS + 1 :, LAGS].max()
    slanted = np.delete(np.delete(alike, LAGS, 0), LAGS, 1).max()
    if along_rows > 2 * max(along_columns, slanted):
        return "rows"
    return "columns" if along_columns > 2 * max(along_rows, slanted) else "all round"


def _follows(
    blocks: list[Block], feature: Callable[[Floats], Floats]
) -> tuple[float, float, float]:
    """How the local mean of what was removed goes with a feature of the result.

    Returns the correlation, what chance gives for it, and the slope. Chance lets the strength of
    noise differ from pixel to pixel: smoothing is moved from the noise to the feature, whose
    product with each pixel's own noise then has a variance that is known.
    """
    product, removed_power, feature_power, error = 0.0, 0.0, 0.0, 0.0
    for removed, result in blocks:
        followed = feature(result)
        followed = followed - followed.mean()
        smooth = _local_mean(removed)
        product += float((smooth * followed).sum())
        removed_power += float(np.square(smooth).sum())
        feature_power += float(np.square(followed).sum())
        error += float(np.square(removed * _local_mean(followed)).sum())
    if not feature_power:
        return 0.0, 0.0, 0.0
    scale = math.sqrt(removed_power * feature_power)
    return product / scale, Z_SCORE * math.sqrt(error) / scale, product / feature_power


def _local_mean(plane: Floats) -> Floats:
    smooth: Floats = ndimage.gaussian_filter(plane, SMOOTHING)
    return smooth


def _peaks(plane: Floats) -> Floats:
    """Above 0 on peaks and inside rims, below 0 in gaps and outside them."""
    peaks: Floats = -ndimage.gaussian_laplace(plane, SMOOTHING)
    return peaks


def _short(number: float) -> str:
    """A correlation in two digits: .31."""
    return f"{number:.2f}".replace("0.", ".", 1)
