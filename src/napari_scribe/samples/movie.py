"""Make a movie of fluorescent nuclei in little light, with its clean truth and its drift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ..errors import InputError
from .camera import Camera, Noise, digitize
from .synthetic import Doubles, Floats, Random, cloud, glow, place_nuclei

OFFSET = 100.0
"""Grey level where there is no light."""
CAMERA = Camera(photons=0.1, read_noise=1.6, offset=OFFSET)
"""Camera that detects about 20 photons per pixel of a nucleus, and about 2 between nuclei."""

_LEVELS = 200.0
"""Grey levels of a nucleus of ordinary brightness, above the offset."""
_SPEED = 5.0
"""Speed of the moving object, in pixels per frame."""
_MARGIN = 8
"""Pixels around the visible window, because a shift by phases wraps at the edges of the scene."""


@dataclass(frozen=True, eq=False)
class Movie:
    """Hold a noisy movie and its truth; positions and shifts are ``(y, x)`` in pixels.

    Parameters
    ----------
    noisy
        ``(T, Y, X)``, uint16, as a camera records it.
    clean
        ``(T, Y, X)``, float32: the same without noise, in the same grey levels.
    shifts
        ``(T, 2)``: how far the scene has moved since the first frame. What was at `p` in the
        first frame is at ``p + shifts[t]`` in frame `t`.
    gains
        ``(T,)``: brightness relative to the first frame, above the offset.
    path
        ``(T, 2)``: position of the moving object in each frame; None if nothing moves.
    """

    noisy: npt.NDArray[np.uint16]
    clean: Floats
    shifts: Doubles
    gains: Doubles
    path: Doubles | None = None


def noisy_movie(
    n_frames: int = 24,
    side: int = 256,
    drift: float = 0.0,
    bleaching: float = 0.0,
    moving: bool = False,
    noise: Noise = CAMERA,
    seed: int = 0,
) -> Movie:
    """Take a movie of fluorescent nuclei and the fine threads between them.

    Parameters
    ----------
    n_frames
        At least 1.
    side
        Height and width, in pixels, at least 32.
    drift
        How far the scene moves from each frame to the next, in pixels. The direction is drawn
        and wanders a little.
    bleaching
        Share of the light that is lost by the last frame, exponentially; below 1. The offset of
        the camera stays.
    moving
        Whether one bright spot of about 9 pixels crosses the scene, by 5 pixels per frame.
    noise
        Called for each frame in turn, before values are rounded and clipped to uint16.
    seed
        The same seed and size give the same movie. Bleaching, the moving spot and the noise do not
        change the scene. Drift does, because the movie then shows more of it.

    Raises
    ------
    InputError
        If a number is outside its bounds.
    """
    if n_frames < 1 or side < 32 or drift < 0 or not 0 <= bleaching < 1:
        raise InputError(
            "A movie needs at least 1 frame of 32 pixels a side, a drift of 0 or more and a "
            f"bleaching from 0 to below 1, not {n_frames=}, {side=}, {drift=}, {bleaching=}."
        )
    scene_rng, drift_rng, path_rng, noise_rng = np.random.default_rng(seed).spawn(4)
    shifts = _wander(n_frames, drift, drift_rng)
    gains = (1 - bleaching) ** (np.arange(n_frames) / max(n_frames - 1, 1))
    light = _scene(shifts, side, scene_rng)
    path = _cross(shifts, side, path_rng) if moving else None
    if path is not None:
        for frame, place in zip(light, path, strict=True):
            frame += 1.5 * _spot(side, place)
    clean = light * (_LEVELS * gains[:, None, None]).astype(np.float32) + np.float32(OFFSET)
    noisy = np.stack([digitize(noise(frame, noise_rng)) for frame in clean])
    return Movie(noisy, clean, shifts, gains, path)


def _wander(n_frames: int, step: float, rng: Random) -> Doubles:
    """Return a path that starts at 0 and makes steps of one length, nearly straight on."""
    turns = rng.normal(0, 0.15, n_frames - 1)
    heading = rng.uniform(0, 2 * math.pi) + np.cumsum(turns)
    steps = step * np.stack([np.sin(heading), np.cos(heading)], axis=-1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _scene(shifts: Doubles, side: int, rng: Random) -> Floats:
    """Return the light ``(T, Y, X)`` of all objects that do not move, as each frame shows it.

    The scene is larger than a frame by the whole drift. It is blurred as by a microscope, so that
    shifting it by its Fourier phases is exact.
    """
    origin = np.ceil(shifts.max(axis=0)).astype(int) + _MARGIN
    height, width = (side + origin - np.floor(shifts.min(axis=0)).astype(int) + _MARGIN).tolist()
    spectrum = fft.rfft2(_draw((height, width), rng))
    window = tuple(slice(start, start + side) for start in origin)
    light = np.empty((len(shifts), side, side), np.float32)
    for frame, shift in zip(light, shifts, strict=True):
        moved = fft.irfft2(ndimage.fourier_shift(spectrum, shift, n=width), s=(height, width))
        frame[:] = np.maximum(moved[window], 0)
    return light


def _draw(shape: tuple[int, int], rng: Random) -> Doubles:
    """Draw nuclei with their chromatin, a haze, and threads, which lie where smooth noise is 0."""
    truth, height = place_nuclei(shape, rng)
    light = glow(truth, height, rng)
    threads = np.exp(-((cloud(shape, 4.0, rng) / 0.12) ** 2))
    haze = ndimage.gaussian_filter(light, 15, mode="wrap")
    light = light + 0.5 * threads * (truth == 0) + 0.15 * haze + 0.05
    return np.asarray(ndimage.gaussian_filter(light.astype(np.float64), 1.1, mode="wrap"))


def _cross(shifts: Doubles, side: int, rng: Random) -> Doubles:
    """Return the path of an object that crosses a drifting scene and turns back near its edges."""
    edge = 16.0 if side >= 64 else side / 4
    span = side - 2 * edge
    places = rng.uniform(0, span, 2) + _wander(len(shifts), _SPEED, rng) + shifts
    return edge + np.abs((places + span) % (2 * span) - span)


def _spot(side: int, centre: Doubles) -> Floats:
    """Return one round spot: 1 in its middle, 0.5 at 4.7 pixels from it."""
    y, x = (np.exp(-(((np.arange(side) - at) / 4.0) ** 2) / 2) for at in centre)
    spot: Floats = (y[:, None] * x).astype(np.float32)
    return spot
