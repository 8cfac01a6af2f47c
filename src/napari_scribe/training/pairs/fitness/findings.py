"""Judge what was measured of noisy pairs: a table of what may be wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ....evaluation.autocorrelation import stripe_direction
from . import brightness
from .brightness import FLICKER, TREND_LENGTH
from .clipping import find_clipping
from .measurements import Measurements
from .noise import BLOCKS, LAGS, STRIPES, TILT

Kind = Literal[
    "drift",
    "bleaching",
    "flicker",
    "motion",
    "correlated",
    "clipping",
    "identical",
    "constant",
    "few",
    "small",
]
Remedy = Literal["register", "match", "leave_out_motion", "drop", ""]
SizesAndTexts = Iterator[tuple[float, str]]

DRIFT = 0.3
"""Pixels between the two of a pair that are harmless."""
JUMP = 1.0
"""Pixels from which a single pair is one too many."""
LOSS = 0.05
"""Share of the light that may come or go over all frames."""
GROUND = 0.1
"""How much the ground may rise and fall, in units of the contrast."""
MOVING = 0.0005
"""Share of the pixels that may change: less is chance."""
MOSTLY = 0.5
"""Share from which leaving it out leaves too little."""
CORRELATION = 0.05
"""Of noise with that of neighbouring pixels."""
LINES = 0.02
"""The same along whole rows or columns, where it shows at every distance."""
SMALLEST = 32
"""Pixels along Y and X from which noise can be told from structure."""
FEW = 4
"""Pairs from which they are enough."""


@dataclass(frozen=True)
class Finding:
    """Describe one thing that may be wrong.

    Parameters
    ----------
    kind
        What it is.
    size, unit
        How large it is, such as 2.1 ``px``; shares are in ``%``.
    text
        What it means, in a sentence or two.
    remedy
        What `apply_remedies` can do about it; empty where only better images help.
    """

    kind: Kind
    size: float
    unit: str
    text: str
    remedy: Remedy = ""


class Rule(NamedTuple):
    """Describe how one thing is found: `check` yields its size and its text where it holds."""

    kind: Kind
    unit: str
    remedy: Remedy
    check: Callable[[Measurements], SizesAndTexts]


def judge(m: Measurements) -> tuple[Finding, ...]:
    """Return all that was found, what is worst first."""
    found = _apply(UNUSABLE, m)
    if any(f.kind == "small" for f in found) or len(m.flat) == len(m.views):
        return found  # what else there seems to be is chance
    found += _apply(NOISE, m)
    return found if m.pairs.is_single else found + _apply(TWO_PICTURES, m)


def _apply(rules: Sequence[Rule], m: Measurements) -> tuple[Finding, ...]:
    return tuple(
        Finding(rule.kind, size, rule.unit, text, rule.remedy)
        for rule in rules
        for size, text in rule.check(m)
    )


def _all_identical(m: Measurements) -> SizesAndTexts:
    n, n_pairs = _count_identical(m)
    if n == n_pairs:
        yield (
            100.0,
            f"In every pair {_IDENTICAL} These are not fit, because a pair needs two exposures. "
            "For one exposure choose pairs out of single images.",
        )


def _some_identical(m: Measurements) -> SizesAndTexts:
    n, n_pairs = _count_identical(m)
    if 0 < n < n_pairs:
        yield 100 * n / n_pairs, f"In {n} of {n_pairs} pairs {_IDENTICAL}"


_IDENTICAL = (
    "the two pictures are identical, pixel for pixel: their noise is the same, not independent, "
    "and would be learned as if it were structure."
)


def _count_identical(m: Measurements) -> tuple[int, int]:
    two = [m.pairs.pairs[pair.number] for pair in m.sample]
    return sum(a != b and m.views[a].is_copy_of(m.views[b]) for a, b in two), len(two)


def _all_flat(m: Measurements) -> SizesAndTexts:
    if len(m.flat) == len(m.views):
        channel = " in one channel or more" * (len(m.pairs.views[0].channels) > 1)
        yield (
            100.0,
            f"All pictures are flat{channel}: every pixel has the same value. These are not fit, "
            "because they show nothing. Is it the right image and channel?",
        )


def _some_flat(m: Measurements) -> SizesAndTexts:
    n, n_flat = len(m.views), len(m.flat)
    if 0 < n_flat < n:
        yield (
            100 * n_flat / n,
            f"{n_flat} of {n} pictures {_is_or_are(n_flat)} flat, every pixel has the same value "
            f"({_names(m, m.flat)}): nothing can be learnt from that.",
        )


def _small(m: Measurements) -> SizesAndTexts:
    side = min(n for view in m.views for n in m.pairs.shape(view)[-2:])
    if side < SMALLEST and len(m.flat) < len(m.views):
        yield (
            float(side),
            f"These pictures are too small to judge, with {side} pixels along Y or X: {SMALLEST} "
            "are needed to tell noise from structure.",
        )


def _blocks(m: Measurements) -> SizesAndTexts:
    if (size := _steepness_of_blocks(m)) > BLOCKS:
        yield (
            size,
            f"Every eighth pixel there is an edge, {size:.1f} times as steep as other steps: the "
            f"blocks of JPEG or video compression. {_not_fit(m)}",
        )


def _correlated(m: Measurements) -> SizesAndTexts:
    size, along = _correlation(m)
    if size == 0 or _steepness_of_blocks(m) > BLOCKS:
        return
    if size < 0:
        what = "Noise of neighbouring pixels is opposite, as in images that were sharpened"
    elif along:
        what = f"Noise runs along {along}: stripes of the camera or of the scanner"
    else:
        what = "Noise comes in grains, as in images that were smoothed, scaled or compressed"
    yield size, f"{what} (correlation {size:.2f}). {_not_fit(m)}"


def _not_fit(m: Measurements) -> str:
    why = (
        "because grains look like fine structure, and what smooths in space often ties frames "
        "together as well. Pairs out of single images are not fit either."
    )
    if m.pairs.is_single:
        why = "because a pixel's noise can be told from that of the pixel beside it."
    return (
        f"These are not fit, {why} Turn off smoothing and lossy compression when you record, and "
        "take the images as the camera wrote them."
    )


def _steepness_of_blocks(m: Measurements) -> float:
    """Return how much steeper edges of blocks are than other steps, in the worst channel."""
    details = [[d.blocks for d in pair.details] for pair in m.sample if pair.details]
    return float(np.median(details, axis=0).max()) if details else 1.0


def _correlation(m: Measurements) -> tuple[float, str]:
    """Return the largest correlation of noise with its neighbours that is no chance.

    Beside it the lines along which it runs, if any. Of pairs it is the correlation of their
    difference; but where the finest details are as of white noise, the correlation is that of what
    changes all over the picture, and not of noise.
    """
    found = [(0.0, "")]
    details = [pair.details for pair in m.sample if pair.details]
    for channel, (tilt, stripes, _) in enumerate(np.median(details, axis=0) if details else ()):
        if m.pairs.is_single and stripes > STRIPES:
            found.append((float(stripes), "rows"))
        elif m.pairs.is_single:
            found.append((float(tilt) if abs(tilt) > TILT else 0.0, ""))
        elif (measured := m.correlation(channel)) is not None:
            correlation = np.where(np.abs(measured[0]) > 6 * measured[1], measured[0], 0)
            correlation[LAGS, LAGS] = 0
            size = float(correlation.flat[np.abs(correlation).argmax()])
            # Stripes show at every distance; what changes in the scene is alike near by only.
            along = stripe_direction(correlation, np.min, np.median, LINES)
            if along or (abs(size) > CORRELATION and abs(tilt) > TILT):
                found.append((size, along))
    return max(found, key=lambda f: abs(f[0]))


def _clipping(m: Measurements) -> SizesAndTexts:
    pixels = [pixels for pair in m.sample for pixels in pair.pixels]
    channels = [find_clipping(parts) for parts in zip(*pixels, strict=True)]
    high = max(channels, key=lambda c: c.high_share)
    if high.high_share:
        yield (
            100 * high.high_share,
            f"{_percent(high.high_share)} of the pixels are saturated, at {high.high:g}. There "
            "these are not fit, because noise is cut off on one side and its mean is too dark: "
            "bright places come out too dark. Record with less light or gain.",
        )
    low = max(channels, key=lambda c: c.low_share)
    if low.low_share:
        yield (
            100 * low.low_share,
            f"{_percent(low.low_share)} of the pixels are cut off at {low.low:g}. There these are "
            "not fit, because noise is cut off on one side and its mean is too bright: dark "
            "places come out too bright. Keep the offset of the camera, subtract no background.",
        )


def _drift(m: Measurements) -> SizesAndTexts:
    drifts, errors = (np.linalg.norm(vectors, axis=1) for vectors in m.drifts())
    if not len(drifts):
        return
    usual = float(np.median(drifts))
    is_jump = (drifts > JUMP) & (drifts > 5 * errors)
    if usual > max(DRIFT, 3 * float(np.median(errors))):
        yield (
            usual,
            f"The image drifts by {usual:.1f} px between the two pictures of a pair: they do not "
            "show the same place, and the denoiser would blur.",
        )
    elif is_jump.any():
        size = float(drifts[is_jump].max())
        yield (
            size,
            f"In {is_jump.sum()} of {len(drifts)} pairs the image jumps, by up to {size:.1f} px: "
            "the two pictures do not show the same place, and the denoiser would blur.",
        )


def _bleaching(m: Measurements) -> SizesAndTexts:
    groups = [group for group in brightness.steady_groups(m) if len(group) >= TREND_LENGTH]
    if not groups:
        return
    changes = np.median([brightness.steady_change(m, group) for group in groups], axis=0)
    worst = int(np.abs(changes).argmax())
    change, size = float(changes[worst]), 100 * float(abs(changes[worst]))
    if size > 100 * LOSS:
        what = f"loses {size:.0f} % of its brightness" if change < 0 else f"gains {size:.0f} %"
        yield (
            size,
            f"The signal{_of_channel(m, worst)} {what} from the first frame to the last "
            f"({'bleaching' if change < 0 else 'it gets brighter'}): pictures of a pair are not "
            "equally bright.",
        )


def _flicker(m: Measurements) -> SizesAndTexts:
    groups = brightness.steady_groups(m)
    if not groups:
        return
    long = [group for group in groups if len(group) >= TREND_LENGTH]
    changes = 100 * np.median([brightness.irregular_change(m, g) for g in groups], axis=0)
    worst = int(changes.argmax())
    size = float(changes[worst])
    if not long and size > 100 * LOSS:
        yield (
            size,
            f"The two pictures of a pair differ in brightness{_of_channel(m, worst)} by "
            f"{size:.0f} %.",
        )
    elif long and size > 100 * FLICKER:
        yield (
            size,
            f"Brightness{_of_channel(m, worst)} flickers by {size:.0f} % from frame to frame: "
            "pictures of a pair are not equally bright.",
        )
    elif long:
        grounds = [brightness.irregular_ground(m, group) for group in long]
        size = 100 * float(np.median(grounds, axis=0).max())
        if size > 100 * GROUND:
            yield (
                size,
                f"The ground of the image rises and falls by {size:.0f} % of its contrast from "
                "frame to frame: pictures of a pair are not equally bright.",
            )


def _far_off(m: Measurements) -> SizesAndTexts:
    views = [view for group in m.groups for view in brightness.far_off(group, m.views)]
    if views:
        n, n_off = len(m.views), len(views)
        them = "it" if n_off == 1 else "them"
        yield (
            100 * n_off / n,
            f"{n_off} of {n} frames {_is_or_are(n_off)} far darker or brighter than those around "
            f"{them} ({_names(m, views)}).",
        )


def _mostly_motion(m: Measurements) -> SizesAndTexts:
    if (share := _moving(m)) > MOSTLY:
        yield (
            100 * share,
            f"{100 * share:.0f} % of the image changes between the two pictures of a pair, more "
            "than noise can. These are not fit, because hardly anything is shown twice: choose "
            "pictures that are closer in time or depth.",
        )


def _motion(m: Measurements) -> SizesAndTexts:
    if MOVING < (share := _moving(m)) <= MOSTLY and not m.pairs.leaves_out_motion:
        yield (
            100 * share,
            f"In {_percent(share)} of the image the two pictures of a pair differ by more than "
            "noise: something moves or changes there, and the denoiser would smear it.",
        )


def _moving(m: Measurements) -> float:
    shares = [pair.moving for pair in m.sample if not np.isnan(pair.moving)]
    return float(np.mean(shares)) if shares else 0.0


def _few(m: Measurements) -> SizesAndTexts:
    if (n := len(m.pairs.pairs)) < FEW:
        pairs = "is one pair" if n == 1 else f"are {n} pairs"
        yield float(n), f"There {pairs} only: more frames would give a better denoiser."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0095 else f"{100 * share:.2g} %"


def _is_or_are(n: int) -> str:
    return "is" if n == 1 else "are"


def _names(m: Measurements, views: Sequence[int], most: int = 4) -> str:
    names = [m.pairs.views[v].in_words() for v in sorted(views)[:most]]
    return "; ".join([*names, *(["..."] if len(views) > most else [])])


def _of_channel(m: Measurements, channel: int) -> str:
    """Return such as " of channel 1"; empty where there is one only."""
    channels = m.pairs.views[0].channels
    return f" of channel {channels[channel]}" if len(channels) > 1 else ""


UNUSABLE = (
    Rule("identical", "%", "", _all_identical),
    Rule("identical", "%", "drop", _some_identical),
    Rule("constant", "%", "", _all_flat),
    Rule("constant", "%", "drop", _some_flat),
    Rule("small", "px", "", _small),
)
NOISE = (
    Rule("correlated", "times", "", _blocks),
    Rule("correlated", "", "", _correlated),
    Rule("clipping", "%", "", _clipping),
)
TWO_PICTURES = (
    Rule("drift", "px", "register", _drift),
    Rule("bleaching", "%", "match", _bleaching),
    Rule("flicker", "%", "match", _flicker),
    Rule("flicker", "%", "drop", _far_off),
    Rule("motion", "%", "", _mostly_motion),
    Rule("motion", "%", "leave_out_motion", _motion),
    Rule("few", "pairs", "", _few),
)
"""What may be wrong, what is worst first: the unit of its size, and what can be done about it."""
