"""Compute with windows: a window is one slice per axis, with a start and a stop in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Window = tuple[slice, ...]


def whole(shape: Sequence[int]) -> Window:
    """Return the window that covers a whole shape."""
    return tuple(slice(0, n) for n in shape)


def shape_of(window: Sequence[slice]) -> tuple[int, ...]:
    """Return the number of pixels along each axis of a window."""
    return tuple(s.stop - s.start for s in window)


def start_of(window: Sequence[slice]) -> tuple[int, ...]:
    """Return the first pixel of a window."""
    return tuple(s.start for s in window)


def intersect(window: Sequence[slice], other: Sequence[slice]) -> Window:
    """Return the common part of two windows; it is empty along an axis where they lie apart."""
    starts = (max(a.start, b.start) for a, b in zip(window, other, strict=True))
    stops = (min(a.stop, b.stop) for a, b in zip(window, other, strict=True))
    return tuple(slice(start, max(start, stop)) for start, stop in zip(starts, stops, strict=True))


def overlap(window: Sequence[slice], other: Sequence[slice]) -> bool:
    """Return whether two windows have a pixel in common."""
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(window, other, strict=True))


def shift(window: Sequence[slice], by: Sequence[int]) -> Window:
    """Move a window by a number of pixels per axis."""
    return tuple(slice(s.start + d, s.stop + d) for s, d in zip(window, by, strict=True))


def relative_to(window: Sequence[slice], other: Sequence[slice]) -> Window:
    """Return a window relative to the first pixel of another one."""
    return shift(window, [-o.start for o in other])


def neighbour_pairs(shape: Sequence[int]) -> Iterator[tuple[Window, Window]]:
    """Yield, for each axis, the windows of pixels that have a next one, and of the next ones."""
    for axis, n in enumerate(shape):
        here, there = list(whole(shape)), list(whole(shape))
        here[axis], there[axis] = slice(0, max(0, n - 1)), slice(1, n)
        yield tuple(here), tuple(there)


def grow(window: Sequence[slice], margin: int | Sequence[int]) -> Window:
    """Add a margin on either side of each axis; the window may then reach beyond the image."""
    margins = [margin] * len(window) if isinstance(margin, int) else margin
    return tuple(slice(s.start - m, s.stop + m) for s, m in zip(window, margins, strict=True))
