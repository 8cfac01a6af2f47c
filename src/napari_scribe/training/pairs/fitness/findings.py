"""Judge the measurements of noisy pairs, with a table of what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ....evaluation.autocorrelation import stripe_direction
from . import brightness
from .brightness import FLICKER, TREND_LENGTH
from .clipping import find_clipping
from .measurements import Measurements
from .noise import BLOCKS, LAGS, STRIPES, TILT

Remedy = Literal["register", "match", "leave_out_motion", "drop", ""]

DRIFT = 0.3
"""Largest usual drift between the pictures of a pair that is harmless, in pixels."""
JUMP = 1.0
"""Drift of a single pair above which it is reported, in pixels."""
LOSS = 0.05
"""Share of the light that may be gained or lost over all frames."""
GROUND = 0.1
"""How much the background level may rise and fall, in units of the contrast."""
MOVING = 0.0005
"""Share of the pixels that may change by chance."""
MOSTLY = 0.5
"""Share of moving pixels above which too little is left if they are left out."""
CORRELATION = 0.05
"""Largest correlation of the noise of neighbouring pixels that is harmless."""
LINES = 0.02
"""The same along whole rows or columns, where stripes show at every distance."""
SMALLEST = 32
"""Fewest pixels along Y and X with which noise can be told from structure."""
FEW = 4
"""Fewest pairs that are enough."""

NAMED = 4
"""Most views that a sentence names."""

TABLE: dict[str, tuple[str, str, Remedy]] = {
    "all identical": ("identical", "%", ""),
    "identical": ("identical", "%", "drop"),
    "all flat": ("constant", "%", ""),
    "flat": ("constant", "%", "drop"),
    "small": ("small", "px", ""),
    "blocks": ("correlated", "times", ""),
    "sharpened": ("correlated", "", ""),
    "stripes": ("correlated", "", ""),
    "grains": ("correlated", "", ""),
    "saturated": ("clipping", "%", ""),
    "cut off": ("clipping", "%", ""),
    "drift": ("drift", "px", "register"),
    "jump": ("drift", "px", "register"),
    "bleaching": ("bleaching", "%", "match"),
    "brightening": ("bleaching", "%", "match"),
    "unlike": ("flicker", "%", "match"),
    "flicker": ("flicker", "%", "match"),
    "ground": ("flicker", "%", "match"),
    "far off": ("flicker", "%", "drop"),
    "mostly motion": ("motion", "%", ""),
    "motion": ("motion", "%", "leave_out_motion"),
    "few": ("few", "pairs", ""),
}
"""The kind of each finding, the unit of its size, and what `apply_remedies` can do about it."""
SENTENCES = {
    "all identical": "In every pair {identical} These are not fit, because a pair needs two "
    "exposures. For one exposure choose pairs out of single images.",
    "identical": "In {n} of {of} pairs {identical}",
    "all flat": "All pictures are flat{channel}: every pixel has the same value. These are not "
    "fit, because they show nothing. Is it the right image and channel?",
    "flat": "{n} of {of} pictures {are} flat, every pixel has the same value ({names}): nothing "
    "can be learnt from that.",
    "small": "These pictures are too small to judge, with {size:.0f} pixels along Y or X: "
    "{smallest} are needed to tell noise from structure.",
    "blocks": "Every eighth pixel there is an edge, {size:.1f} times as steep as other steps: the "
    "blocks of JPEG or video compression. {not_fit}",
    "sharpened": "Noise of neighbouring pixels is opposite, as in images that were sharpened "
    "(correlation {size:.2f}). {not_fit}",
    "stripes": "Noise runs along {along}: stripes of the camera or of the scanner (correlation "
    "{size:.2f}). {not_fit}",
    "grains": "Noise comes in grains, as in images that were smoothed, scaled or compressed "
    "(correlation {size:.2f}). {not_fit}",
    "saturated": "{share} of the pixels are saturated, at {level:g}. There these are not fit, "
    "because noise is cut off on one side and its mean is too dark: bright places come out too "
    "dark. Record with less light or gain.",
    "cut off": "{share} of the pixels are cut off at {level:g}. There these are not fit, because "
    "noise is cut off on one side and its mean is too bright: dark places come out too bright. "
    "Keep the offset of the camera, subtract no background.",
    "drift": "The image drifts by {size:.1f} px between the two pictures of a pair: they do not "
    "show the same place, and the denoiser would blur.",
    "jump": "In {n} of {of} pairs the image jumps, by up to {size:.1f} px: the two pictures do "
    "not show the same place, and the denoiser would blur.",
    "bleaching": "The signal{channel} loses {size:.0f} % of its brightness from the first frame "
    "to the last (bleaching): pictures of a pair are not equally bright.",
    "brightening": "The signal{channel} gains {size:.0f} % from the first frame to the last (it "
    "gets brighter): pictures of a pair are not equally bright.",
    "unlike": "The two pictures of a pair differ in brightness{channel} by {size:.0f} %.",
    "flicker": "Brightness{channel} flickers by {size:.0f} % from frame to frame: pictures of a "
    "pair are not equally bright.",
    "ground": "The background level rises and falls by {size:.0f} % of its contrast from frame "
    "to frame: pictures of a pair are not equally bright.",
    "far off": "{n} of {of} frames {are} far darker or brighter than those around {them} "
    "({names}).",
    "mostly motion": "{size:.0f} % of the image changes between the two pictures of a pair, more "
    "than noise can. These are not fit, because hardly anything is shown twice: choose pictures "
    "that are closer in time or depth.",
    "motion": "In {share} of the image the two pictures of a pair differ by more than noise: "
    "something moves or changes there, and the denoiser would smear it.",
    "few": "There {pairs} only: more frames would give a better denoiser.",
}
IDENTICAL = (
    "the two pictures are identical, pixel for pixel: their noise is the same, not independent, "
    "and would be learned as if it were structure."
)
NOT_FIT = (
    "These are not fit, because {} Turn off smoothing and lossy compression when you record, and "
    "take the images as the camera wrote them."
)


@dataclass(frozen=True)
class Finding:
    """Describe one thing that may be wrong.

    Parameters
    ----------
    kind
        One of drift, bleaching, flicker, motion, correlated, clipping, identical, constant,
        few or small.
    size, unit
        How large it is, such as 2.1 ``px``; shares are in ``%``.
    text
        What it means, in a sentence or two.
    remedy
        What `apply_remedies` can do about it; empty if only better images help.
    """

    kind: str
    size: float
    unit: str
    text: str
    remedy: Remedy = ""


def judge(m: Measurements) -> tuple[Finding, ...]:
    """Return all findings, the worst first."""
    unusable = (*_identical(m), *_flat(m), *_small(m))
    if any(f.kind == "small" for f in unusable) or len(m.flat) == len(m.tracked):
        return unusable  # other findings would be chance
    noise = (*_correlated(m), *_clipping(m))
    if m.pairs.is_single:
        return unusable + noise
    changes = (*_drift(m), *_bleaching(m), *_flicker(m), *_far_off(m), *_motion(m), *_few(m))
    return unusable + noise + changes


def _finding(name: str, size: float, **words: object) -> Finding:
    """Build a finding of the table, and write its sentence."""
    kind, unit, remedy = TABLE[name]
    text = SENTENCES[name].format(size=size, **words)
    return Finding(kind, float(size), unit, text, remedy)


def _identical(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if the two pictures of a pair are identical."""
    two = [m.pairs.pairs[pair.number] for pair in m.sample]
    n = sum(a != b and m.tracked[a].is_copy_of(m.tracked[b]) for a, b in two)
    if n:
        name = "all identical" if n == len(two) else "identical"
        yield _finding(name, 100 * n / len(two), n=n, of=len(two), identical=IDENTICAL)


def _flat(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if pictures have the same value everywhere."""
    n, n_flat = len(m.tracked), len(m.flat)
    if n_flat == n:
        several = len(m.pairs.views[0].channels) > 1
        yield _finding("all flat", 100, channel=" in one channel or more" * several)
    elif n_flat:
        yield _finding("flat", 100 * n_flat / n, of=n, **_names(m, m.flat))


def _small(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if pictures are too small to judge."""
    side = min(n for view in m.tracked for n in m.pairs.shape(view)[-2:])
    if side < SMALLEST and len(m.flat) < len(m.tracked):
        yield _finding("small", side, smallest=SMALLEST)


def _correlated(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if the noise of neighbouring pixels is correlated."""
    details = [pair.details for pair in m.sample if pair.details]
    if not details:
        return
    usual = np.median(details, axis=0)  # (C, 3)
    why = (
        "a pixel's noise can be told from that of the pixel beside it."
        if m.pairs.is_single
        else "grains look like fine structure, and what smooths in space often ties frames "
        "together as well. Pairs out of single images are not fit either."
    )
    not_fit = NOT_FIT.format(why)
    if (blocks := usual[:, 2].max()) > BLOCKS:
        yield _finding("blocks", blocks, not_fit=not_fit)
        return
    rows = enumerate(usual[:, :2].tolist())
    correlations = [_correlation(m, channel, *row) for channel, row in rows]
    size, along = max(correlations, key=lambda c: abs(c[0]))
    name = "sharpened" if size < 0 else "stripes" if along else "grains"
    if size:
        yield _finding(name, size, along=along, not_fit=not_fit)


def _correlation(m: Measurements, channel: int, tilt: float, stripes: float) -> tuple[float, str]:
    """Return the largest correlation of noise that is not by chance, and the lines it runs along.

    For pairs, it is the correlation of the difference of the two pictures. If their finest details
    look like white noise, this correlation comes from a change of the scene and does not count.
    """
    if m.pairs.is_single and stripes > STRIPES:
        return stripes, "rows"
    if m.pairs.is_single:
        return (tilt if abs(tilt) > TILT else 0.0), ""
    if (measured := m.correlation(channel)) is None:
        return 0.0, ""
    correlation = np.where(np.abs(measured[0]) > 6 * measured[1], measured[0], 0)
    correlation[LAGS, LAGS] = 0
    size = float(correlation.flat[np.abs(correlation).argmax()])
    # Stripes are correlated at every distance. A change of the scene is so at short ones only.
    along = stripe_direction(correlation, np.min, np.median, LINES)
    is_noise = along or (abs(size) > CORRELATION and abs(tilt) > TILT)
    return (size, along) if is_noise else (0.0, "")


def _clipping(m: Measurements) -> Iterator[Finding]:
    """Yield findings for grey levels that are cut off at the bright or the dark end."""
    pixels = [pixels for pair in m.sample for pixels in pair.pixels]
    channels = [find_clipping(parts) for parts in zip(*pixels, strict=True)]
    lows, highs = zip(*channels, strict=True)
    for name, ends in (("saturated", highs), ("cut off", lows)):
        share, level = max(ends)
        if share:
            yield _finding(name, 100 * share, share=_percent(share), level=level)


def _drift(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if most pairs drift, or some jump."""
    drifts, errors = (np.linalg.norm(vectors, axis=1) for vectors in m.drifts())
    if not len(drifts):
        return
    is_jump = (drifts > JUMP) & (drifts > 5 * errors)
    if (usual := np.median(drifts)) > max(DRIFT, 3 * np.median(errors)):
        yield _finding("drift", usual)
    elif is_jump.any():
        yield _finding("jump", drifts[is_jump].max(), n=is_jump.sum(), of=len(drifts))


def _bleaching(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if brightness changes steadily."""
    groups = [group for group in brightness.steady_groups(m) if len(group) >= TREND_LENGTH]
    if not groups:
        return
    changes = np.median([brightness.steady_change(m, group) for group in groups], axis=0)
    worst = int(np.abs(changes).argmax())
    if abs(change := changes[worst]) > LOSS:
        name = "bleaching" if change < 0 else "brightening"
        yield _finding(name, 100 * abs(change), channel=_of_channel(m, worst))


def _flicker(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if the brightness or the background level changes irregularly."""
    groups = brightness.steady_groups(m)
    if not groups:
        return
    long = [group for group in groups if len(group) >= TREND_LENGTH]
    changes = np.median([brightness.irregular_change(m, group) for group in groups], axis=0)
    worst = int(changes.argmax())
    if changes[worst] > (FLICKER if long else LOSS):
        name = "flicker" if long else "unlike"
        yield _finding(name, 100 * changes[worst], channel=_of_channel(m, worst))
    elif long:
        grounds = [brightness.irregular_ground(m, group) for group in long]
        if (ground := np.median(grounds, axis=0).max()) > GROUND:
            yield _finding("ground", 100 * ground)


def _far_off(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if single frames are far darker or brighter than those around them."""
    views = [view for group in m.groups for view in brightness.far_off(group, m.tracked)]
    if views:
        yield _finding(
            "far off", 100 * len(views) / len(m.tracked), of=len(m.tracked), **_names(m, views)
        )


def _motion(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if something moves between the two pictures of a pair."""
    shares = [pair.moving for pair in m.sample if not np.isnan(pair.moving)]
    share = float(np.mean(shares)) if shares else 0.0
    if share > MOSTLY:
        yield _finding("mostly motion", 100 * share)
    elif share > MOVING and not m.pairs.leaves_out_motion:
        yield _finding("motion", 100 * share, share=_percent(share))


def _few(m: Measurements) -> Iterator[Finding]:
    """Yield a finding if there are few pairs."""
    if (n := len(m.pairs.pairs)) < FEW:
        yield _finding("few", n, pairs="is one pair" if n == 1 else f"are {n} pairs")


def _percent(share: float) -> str:
    """Write a share in per cent, small ones with more digits."""
    return f"{100 * share:.1f} %" if share >= 0.0095 else f"{100 * share:.2g} %"


def _names(m: Measurements, views: Sequence[int]) -> dict[str, object]:
    """Return the words for a sentence about some views."""
    n = len(views)
    names = [m.pairs.views[v].in_words() for v in sorted(views)[:NAMED]]
    are, them = ("is", "it") if n == 1 else ("are", "them")
    return {"n": n, "are": are, "them": them, "names": "; ".join(names + ["..."] * (n > NAMED))}


def _of_channel(m: Measurements, channel: int) -> str:
    """Return the name of a channel, such as " of channel 1"; empty if there is only one."""
    channels = m.pairs.views[0].channels
    return f" of channel {channels[channel]}" if len(channels) > 1 else ""
