"""What may be wrong with noisy pairs, in a biologist's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from . import brightness
from .grain import LAGS, Grain
from .measurements import Finding, Floats, Looked
from .tracking import Seen

DRIFT = 0.3
"""Pixels between the two of a pair that are harmless."""
JUMP = 1.0
"""Pixels from which a single pair is one too many."""
MOVING = 0.0005
"""Share of the pixels that may change: less is chance."""
MOSTLY = 0.5
"""Share from which leaving it out leaves too little."""
CORRELATION = 0.05
"""Of noise with that of neighbouring pixels."""
TILT = 0.02
"""The same, as the power in the finest details tells it."""
LINES = 0.02
"""The same along whole rows or columns, where it shows at every distance."""
STRIPES = 0.2
"""How strong stripes of a single picture may be, in units of its noise."""
BLOCKS = 1.2
"""How much steeper edges of blocks may be than other steps."""
SMALLEST = 32
"""Pixels along Y and X from which noise can be told from structure."""
FEW = 4
"""Pairs from which they are enough."""


def findings(looked: Looked) -> tuple[Finding, ...]:
    """All that was found, what is worst first."""
    if len(looked.flat) == len(looked.seen):
        return tuple(_constant(looked))
    if small := [*_small(looked)]:  # what else there seems to be is chance
        return (*_identical(looked), *_constant(looked), *small)
    found = [*_constant(looked), *_correlated(looked), *_clipping(looked)]
    if not looked.pairs.is_single:
        found = [
            *_identical(looked),
            *found,
            *_drift(looked),
            *brightness.bleaching(looked),
            *brightness.flicker(looked),
            *brightness.off(looked),
            *_motion(looked),
            *_few(looked),
        ]
    return tuple(found)


def is_identical(one: Seen, other: Seen) -> bool:
    """Whether two views hold the same pixels, and not only the same flat ground."""
    return one.digest == other.digest and not one.is_flat


def _constant(looked: Looked) -> Iterator[Finding]:
    n, flat = len(looked.seen), len(looked.flat)
    where = " in one channel or more" * (len(looked.pairs.views[0].channels) > 1)
    if flat == n:
        yield Finding(
            "constant",
            100.0,
            "%",
            f"All pictures are flat{where}: every pixel has the same value. These are not fit, "
            "because they show nothing. Is it the right image and channel?",
        )
    elif flat:
        yield Finding(
            "constant",
            100 * flat / n,
            "%",
            f"{flat} of {n} pictures {'is' if flat == 1 else 'are'} flat, every pixel has the same "
            f"value ({looked.named(looked.flat)}): nothing can be learnt from that.",
            "drop",
        )


def _small(looked: Looked) -> Iterator[Finding]:
    side = min(n for view in looked.seen for n in looked.pairs.shape(view)[-2:])
    if side < SMALLEST:
        yield Finding(
            "small",
            float(side),
            "px",
            f"These pictures are too small to judge, with {side} pixels along Y or X: {SMALLEST} "
            "are needed to tell noise from structure.",
        )


def _identical(looked: Looked) -> Iterator[Finding]:
    if looked.pairs.is_single:
        return
    two = [looked.pairs.pairs[i] for i in looked.chosen]
    n = sum(is_identical(looked.seen[a], looked.seen[b]) for a, b in two)
    if n == 0:
        return
    every = n == len(two)
    what = "In every pair" if every else f"In {n} of {len(two)} pairs"
    text = (
        f"{what} the two pictures are identical, pixel for pixel: their noise is the same, not "
        "independent, and would be learned as if it were structure."
    )
    if every:
        text += (
            " These are not fit, because a pair needs two exposures. For one exposure choose "
            "pairs out of single images."
        )
    yield Finding("identical", 100 * n / len(two), "%", text, "" if every else "drop")


def _drift(looked: Looked) -> Iterator[Finding]:
    _, drifts, errors = looked.drifts()
    if not len(drifts):
        return
    lengths, doubt = np.linalg.norm(drifts, axis=1), np.linalg.norm(errors, axis=1)
    usual = float(np.median(lengths))
    jumps = (lengths > JUMP) & (lengths > 5 * doubt)
    if usual > max(DRIFT, 3 * float(np.median(doubt))):
        yield Finding(
            "drift",
            usual,
            "px",
            f"The image drifts by {usual:.1f} px between the two pictures of a pair: they do not "
            "show the same place, and the denoiser would blur.",
            "register",
        )
    elif jumps.any():
        size = float(lengths[jumps].max())
        yield Finding(
            "drift",
            size,
            "px",
            f"In {int(jumps.sum())} of {len(lengths)} pairs the image jumps, by up to {size:.1f} "
            "px: the two pictures do not show the same place, and the denoiser would blur.",
            "register",
        )


def _motion(looked: Looked) -> Iterator[Finding]:
    share = float(np.mean(list(looked.moving.values()))) if looked.moving else 0.0
    if share > MOSTLY:
        yield Finding(
            "motion",
            100 * share,
            "%",
            f"{100 * share:.0f} % of the image changes between the two pictures of a pair, more "
            "than noise can. These are not fit, because hardly anything is shown twice: choose "
            "pictures that are closer in time or depth.",
        )
    elif share > MOVING and not looked.pairs.leaves_out_motion:
        yield Finding(
            "motion",
            100 * share,
            "%",
            f"In {_percent(share)} of the image the two pictures of a pair differ by more than "
            "noise: something moves or changes there, and the denoiser would smear it.",
            "leave_out_motion",
        )


def _correlated(looked: Looked) -> Iterator[Finding]:
    size, along = _correlation(looked)
    blocks = max((float(np.median([f.blocks for f in s])) for s in looked.singles if s), default=1)
    unit = ""
    if blocks > BLOCKS:
        size, unit = blocks, "times"
        what = (
            f"Every eighth pixel there is an edge, {size:.1f} times as steep as other steps: the "
            "blocks of JPEG or video compression"
        )
    elif size == 0:
        return
    elif size < 0:
        what = "Noise of neighbouring pixels is opposite, as in images that were sharpened"
    elif along:
        what = f"Noise runs along {along}: stripes of the camera or of the scanner"
    else:
        what = "Noise comes in grains, as in images that were smoothed, scaled or compressed"
    what += "" if unit else f" (correlation {size:.2f})"
    remedy = (
        "Turn off smoothing and lossy compression when you record, and take the images as the "
        "camera wrote them."
    )
    if looked.pairs.is_single:
        why = "because a pixel's noise can be told from that of the pixel beside it."
    else:
        why = (
            "because grains look like fine structure, and what smooths in space often ties frames "
            "together as well. Pairs out of single images are not fit either."
        )
    yield Finding("correlated", size, unit, f"{what}. These are not fit, {why} {remedy}")


def _clipping(looked: Looked) -> Iterator[Finding]:
    high = max(looked.clipped, key=lambda c: c.high_share, default=None)
    low = max(looked.clipped, key=lambda c: c.low_share, default=None)
    if high and high.high_share:
        yield Finding(
            "clipping",
            100 * high.high_share,
            "%",
            f"{_percent(high.high_share)} of the pixels are saturated, at {high.high:g}. There "
            "these are not fit, because noise is cut off on one side and its mean is too dark: "
            "bright places come out too dark. Record with less light or gain.",
        )
    if low and low.low_share:
        yield Finding(
            "clipping",
            100 * low.low_share,
            "%",
            f"{_percent(low.low_share)} of the pixels are cut off at {low.low:g}. There these are "
            "not fit, because noise is cut off on one side and its mean is too bright: dark "
            "places come out too bright. Keep the offset of the camera, subtract no background.",
        )


def _few(looked: Looked) -> Iterator[Finding]:
    n = len(looked.pairs.pairs)
    if n < FEW:
        yield Finding(
            "few",
            float(n),
            "pairs",
            f"There {'is one pair' if n == 1 else f'are {n} pairs'} only: more frames would give "
            "a better denoiser.",
        )


def _correlation(looked: Looked) -> tuple[float, str]:
    """The largest correlation of noise with its neighbours that is no chance, and its direction.

    Of pairs it is that of their difference; but where the finest details are as white noise, it is
    what changes all over the picture, and not noise, that goes together.
    """
    found = [(0.0, "")]
    for singles, grains in zip(looked.singles, looked.grains, strict=True):
        if not singles:
            continue
        tilt, stripes, _ = np.median(singles, axis=0).tolist()
        if looked.pairs.is_single:
            found.append(
                (stripes, "rows") if stripes > STRIPES else (tilt if abs(tilt) > TILT else 0.0, "")
            )
            continue
        alike, error = usual_grain(grains)
        alike = np.where(np.abs(alike) > 6 * error, alike, 0)
        alike[LAGS, LAGS] = 0
        size, along = float(alike.flat[np.abs(alike).argmax()]), _direction(alike)
        if along or (abs(size) > CORRELATION and abs(tilt) > TILT):
            found.append((size, along))
    return max(found, key=lambda f: abs(f[0]))


def usual_grain(grains: Sequence[Grain]) -> tuple[Floats, Floats]:
    """Correlations by shift, as in most pairs, and what chance gives for them."""
    alike = np.median([g.correlation for g in grains], axis=0)
    error = np.median([g.error for g in grains], axis=0) * 1.25 / np.sqrt(len(grains))
    return alike, error


def _direction(alike: Floats) -> str:
    """Rows or columns, where noise goes together along all of them and less so elsewhere."""
    rows, columns = alike[LAGS, LAGS + 1 :].min(), alike[LAGS + 1 :, LAGS].min()
    slanted = float(np.median(np.delete(np.delete(alike, LAGS, 0), LAGS, 1)))
    if rows > max(LINES, 2 * columns, 2 * slanted):
        return "rows"
    return "columns" if columns > max(LINES, 2 * rows, 2 * slanted) else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0095 else f"{100 * share:.2g} %"
