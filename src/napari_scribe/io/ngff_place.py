"""Where an OME-NGFF image lies, and how large its pixels are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from .calibration import unclear
from .units import size_of


class Placed(NamedTuple):
    """Size of a pixel and place of the first one along each axis, and what was not understood."""

    scale: list[float]
    translate: list[float]
    notes: tuple[str, ...]


def listed(transforms: Any) -> list[Any]:
    """Return transforms one by one; what is no list of them is one, for `placed` to refuse."""
    if isinstance(transforms, list):
        return transforms
    return [] if transforms is None else [transforms]


def placed(transforms: Sequence[Any], n_axes: int) -> Placed:
    """Return what transforms come to, one after the other; what makes no sense is left out."""
    scale, translate, notes = [1.0] * n_axes, [0.0] * n_axes, []
    for transform in transforms:
        factors, said = _sizes(transform, n_axes)
        shifts, said_too = _shifts(transform, n_axes)
        notes += [*said, *said_too]
        scale = [a * f for a, f in zip(scale, factors, strict=True)]
        translate = [a * f + s for a, f, s in zip(translate, factors, shifts, strict=True)]
    return Placed(scale, translate, tuple(dict.fromkeys(notes)))


def _sizes(transform: Any, n_axes: int) -> tuple[list[float], list[str]]:
    """Factors of a transform, 1 where it has none."""
    values = _values(transform, "scale", n_axes)
    if values is None:
        return [1.0] * n_axes, _said(transform, "scale")
    sizes = [size_of(value) for value in values]
    return [size or 1.0 for size in sizes], [] if all(sizes) else _said(transform, "scale")


def _shifts(transform: Any, n_axes: int) -> tuple[list[float], list[str]]:
    """Shifts of a transform, 0 where it has none."""
    values = _values(transform, "translation", n_axes)
    try:
        shifts = [float(value) for value in values or [0.0] * n_axes]
    except (TypeError, ValueError, OverflowError):
        shifts = [math.nan]
    if values is None or not all(map(math.isfinite, shifts)):
        return [0.0] * n_axes, _said(transform, "translation")
    return shifts, []


def _values(transform: Any, key: str, n_axes: int) -> list[Any] | None:
    """What a transform has for the axes."""
    values = transform.get(key) if isinstance(transform, dict) else None
    return values if isinstance(values, list) and len(values) == n_axes else None


def _said(transform: Any, key: str) -> list[str]:
    """What there is to say of a transform whose values are not used."""
    if not isinstance(transform, dict):
        return [unclear("coordinate transformation", transform)]
    return [unclear(key, transform[key])] if key in transform else []
