"""Score a denoised image against a clean one: PSNR, SSIM, and PSNR up to gain and offset."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..arrays import arranged, check_finite, order_onto
from ..errors import InputError
from ..image import AXES, Frame, Image
from ..io import ImageLike, as_image

Floats = npt.NDArray[np.float64]

WINDOW = 7
"""Side of the window of SSIM in pixels: the default of scikit-image."""


@dataclass(frozen=True, eq=False)
class ImageScores:
    """Hold scores of denoised images against clean ones, frame by frame.

    Parameters
    ----------
    psnr
        ``(n,)``: peak signal-to-noise ratio in dB; infinite if a frame equals its reference.
    ssim
        ``(n,)``: structural similarity; 1 if they are equal.
    si_psnr
        ``(n,)``: PSNR in dB after the gain and the offset that bring the image closest to its
        reference (Weigert et al. 2018). So no change of contrast improves it.
    """

    psnr: Floats
    ssim: Floats
    si_psnr: Floats

    @property
    def n_frames(self) -> int:
        """Return the number of frames that were scored; each channel is a frame."""
        return len(self.psnr)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in self.as_dict().items())
        return f"ImageScores({numbers})"

    def as_dict(self) -> dict[str, float]:
        """Return means over frames, their spread (standard deviation), and the number of frames."""
        columns = {"PSNR": self.psnr, "SSIM": self.ssim, "SI_PSNR": self.si_psnr}
        means = {name: float(column.mean()) for name, column in columns.items()}
        spreads = {f"{name}_spread": _spread(column) for name, column in columns.items()}
        return {**means, **spreads, "n_frames": self.n_frames}


@checked
def evaluate_images(
    predicted: ImageLike, reference: ImageLike, *, peak: float | None = None, slices: bool = False
) -> ImageScores:
    """Score a denoised image against a clean one.

    Every time point and every channel is scored by itself. A stack is scored as a whole: its PSNR
    is that of the volume, its SSIM the mean of its planes. Pixels are read plane by plane, so
    both images may be lazy.

    Parameters
    ----------
    predicted, reference
        Images, arrays or files with the same number of pixels along every axis of ``TCZYX``, at
        least 7 along Y and X. Their types may differ: for example a float result, and a reference
        of the integers of a camera.
    peak
        The range of intensities that PSNR and SSIM refer to. If None, the range of the reference
        in each frame.
    slices
        Whether Z is a list of slices: each is then a frame.

    Raises
    ------
    InputError
        If sizes differ, pixels are NaN or infinite, the reference is constant in a frame, or
        pixels are not intensities.
    """
    if peak is not None and not 0 < peak < math.inf:
        raise InputError(f"A peak of {peak} is no range of intensities: give a number above 0.")
    image, clean = same_size(predicted, reference)
    if min(clean.length("Y"), clean.length("X")) < WINDOW:
        raise InputError(
            f"{clean.name} has {clean.length('Y')} x {clean.length('X')} pixels: SSIM "
            f"compares windows of {WINDOW} x {WINDOW}, so an image needs at least that many."
        )
    parts = [_score(image, clean, f, c, peak) for f, c in _frames(clean, slices)]
    psnr, ssim, si_psnr = np.array(parts, dtype=np.float64).T
    return ImageScores(psnr, ssim, si_psnr)


def pool_images(scores: Sequence[ImageScores]) -> ImageScores:
    """Return the scores of many images as if they were one: each frame has the same weight."""
    columns = [(s.psnr, s.ssim, s.si_psnr) for s in scores]
    return ImageScores(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def same_size(first: ImageLike, second: ImageLike) -> tuple[Image, Image]:
    """Return two images of the same size along every axis.

    Raises
    ------
    InputError
        If they differ in size, or hold no intensities.
    """
    one, other = as_image(first), as_image(second)
    if _sizes(one) != _sizes(other):
        one, other = _named_alike(one, other)
    for image in (one, other):
        if image.dtype.kind == "b":
            raise InputError(f"{image.name} holds true and false, not intensities: give an image.")
    if _sizes(one) != _sizes(other):
        raise InputError(
            f"{one.name} and {other.name} differ in size: {one.axes_in_words()} and "
            f"{other.axes_in_words()}. Give two images of the same field."
        )
    return one, other


def _sizes(image: Image) -> list[int]:
    return [image.length(a) for a in AXES]


def _named_alike(first: Image, second: Image) -> tuple[Image, Image]:
    """Give both images the axes of the one with a T axis, as an array does not tell T from Z."""
    timed, other = (first, second) if first.length("T") > 1 else (second, first)
    order = order_onto("", other.shape, "", timed.shape)
    if order is None:
        return first, second
    renamed = timed.selected(data=arranged(other.data, order), name=other.name)
    return (first, renamed) if timed is first else (renamed, second)


def read_plane(image: Image, frame: Frame, channel: int) -> Floats:
    """Read one ``YX`` plane of one channel.

    Raises
    ------
    InputError
        If it has NaN or infinite pixels.
    """
    window = tuple(slice(0, image.length(a)) for a in "YX")
    plane: Floats = image.read(frame, window, [channel])[0].astype(np.float64)
    check_finite(plane, image.name, _place(frame))
    return plane


def _frames(image: Image, slices: bool) -> Iterator[tuple[list[Frame], int]]:
    """Yield the planes of each frame, and its channel."""
    planes = list(image.frames(2))

    def time(plane: Frame) -> int:
        return dict(plane).get("T", 0)

    stacks = (
        [[p] for p in planes] if slices else [list(g) for _, g in itertools.groupby(planes, time)]
    )
    yield from itertools.product(stacks, range(image.n_channels))


def _score(
    predicted: Image, reference: Image, frames: list[Frame], channel: int, peak: float | None
) -> tuple[float, float, float]:
    """Return PSNR, SSIM and scale-invariant PSNR of one frame, plane by plane.

    A frame of many planes is read twice, because its range and means are needed first.
    """
    from skimage.metrics import structural_similarity

    def planes() -> Iterator[tuple[Floats, Floats]]:
        for f in frames:
            yield read_plane(predicted, f, channel), read_plane(reference, f, channel)

    in_memory = list(planes()) if len(frames) == 1 else None
    sums = np.array([(p.mean(), r.mean(), r.min(), r.max()) for p, r in in_memory or planes()])
    mean_p, mean_r = sums[:, :2].mean(axis=0)
    span = float(sums[:, 3].max() - sums[:, 2].min())
    if span == 0:
        raise InputError(
            f"{reference.name} is constant{_place(frames[0])}: a reference needs something in it. "
            "Leave this frame out."
        )
    peak = peak or span
    error, pp, pr, rr, ssim = 0.0, 0.0, 0.0, 0.0, 0.0
    for p, r in in_memory or planes():
        ssim += float(structural_similarity(r, p, win_size=WINDOW, data_range=peak)) / len(frames)
        error += float(np.square(p - r).mean()) / len(frames)
        p, r = p - mean_p, r - mean_r
        pp += float(np.square(p).mean()) / len(frames)
        pr += float((p * r).mean()) / len(frames)
        rr += float(np.square(r).mean()) / len(frames)
    # The variance of r that the best straight line from p to r does not explain.
    unexplained = max(rr - pr**2 / pp, 0.0) if pp > 0 else rr
    return _decibel(peak, error), ssim, _decibel(peak, unexplained)


def _decibel(peak: float, error: float) -> float:
    """Return the PSNR of a mean squared error."""
    return 10 * math.log10(peak**2 / error) if error > 0 else math.inf


def _spread(column: Floats) -> float:
    """Return the standard deviation; 0 if all values are the same, even if they are infinite."""
    if np.all(column == column[0]):
        return 0.0
    return float(column.std()) if np.isfinite(column).all() else math.inf


def _place(frame: Frame) -> str:
    """Return the place of a frame in words, such as `` at T 3``."""
    return "".join(f" at {axis} {index}" for axis, index in frame)
