"""What was measured of noisy pairs, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..sources import Pairs
from .grain import Fine, Grain
from .levels import Clipped
from .tracking import Seen

Floats = npt.NDArray[np.float64]
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


@dataclass(frozen=True)
class Finding:
    """One thing that may be wrong.

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


@dataclass
class Looked:
    """What was measured: the views and pairs that were looked at.

    Parameters
    ----------
    pairs
        All of them.
    chosen
        Numbers of the pairs that were looked at.
    groups
        Views that hang together, in their order.
    seen
        By view.
    moving
        By chosen pair: the share of pixels that change.
    grains
        By channel, of the chosen pairs.
    singles
        By channel: of the difference of pairs, or of single pictures.
    clipped
        By channel.
    """

    pairs: Pairs
    chosen: list[int]
    groups: list[list[int]]
    seen: dict[int, Seen]
    moving: dict[int, float] = field(default_factory=dict)
    grains: list[list[Grain]] = field(default_factory=list)
    singles: list[list[Fine]] = field(default_factory=list)
    clipped: list[Clipped] = field(default_factory=list)

    @property
    def flat(self) -> list[int]:
        """Views whose pixels are all equal."""
        return [v for v, seen in self.seen.items() if seen.is_flat]

    def drifts(self) -> tuple[list[int], Floats, Floats]:
        """Numbers of the pairs that could be measured, their drift ``(n, axes)``, and its error.

        What the pairs know of already is taken off.
        """
        measured, drifts, errors = [], [], []
        for number in self.chosen:
            a, b = self.pairs.pairs[number]
            one, other = self.seen[a], self.seen[b]
            if a != b and one.part == other.part and not (one.is_flat or other.is_flat):
                measured.append(number)
                drifts.append(self.place(b) - self.place(a))
                errors.append(np.hypot(one.error, other.error))
        axes = self.pairs.dimensions
        return measured, np.reshape(drifts, (-1, axes)), np.reshape(errors, (-1, axes))

    def place(self, view: int) -> Floats:
        """How far a view has drifted, beyond what is known."""
        shift = self.seen[view].shift
        known = self.pairs.views[view].shift
        return np.asarray(shift - known if known else shift)

    def brightness(self, group: Sequence[int]) -> Floats:
        """Logarithm ``(n, 3, C)`` of that of each view: as a whole, and of two halves."""
        rows = []
        for view in group:
            known = self.pairs.views[view].gains or 1.0
            seen = self.seen[view]
            rows.append(np.log(known) - np.log(np.vstack([seen.gains, seen.halves])))
        logs = np.stack(rows)
        return np.asarray(logs - logs[0])

    def named(self, views: Sequence[int], most: int = 4) -> str:
        """Some views in words."""
        names = [self.pairs.views[v].in_words() for v in sorted(views)[:most]]
        return "; ".join([*names, *(["..."] if len(views) > most else [])])

    def in_channel(self, channel: int) -> str:
        """Such as " of channel 1"; empty where there is one only."""
        channels = self.pairs.views[0].channels
        return f" of channel {channels[channel]}" if len(channels) > 1 else ""
