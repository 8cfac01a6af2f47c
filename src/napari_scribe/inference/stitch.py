"""Frames decoded block by block: objects that cross blocks get one id.

Each block is decoded with a margin around what it keeps, its core; so an object that crosses a face
is seen by the blocks on both sides. Both know its pixels in a zone along the face::

      core of one        face        core of the next
    |- - - - - - - - - - - - | - - - - - - - - - - - -|
                      | zone | zone |

Objects that match there (IoU of at least 0.5) are one object.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..evaluation.overlap import count_overlap, match_objects
from ..targets.paint import Labels

SIDE = {2: 2048, 3: 128}
"""Side of a block's core, in pixels, for 2D and 3D networks."""
MARGIN = {2: 128, 3: 32}
"""What a block sees beyond its core: about the largest object that is found as in the whole."""
ZONE = 16
"""Pixels on either side of a face on which two blocks are compared."""
Index = tuple[int, ...]
Zones = dict[str, Labels]
"""``"0-low"``, ``"0-high"``, ``"1-low"`` ...: labels along each face that has a neighbour."""


@dataclass(frozen=True)
class Block:
    """A part of a frame that is decoded at once; one slice per spatial axis in each field.

    Parameters
    ----------
    index
        Which block along each axis.
    core
        What it gives, in the frame.
    window
        What it looks at: the core and a margin, within the frame.
    """

    index: Index
    core: tuple[slice, ...]
    window: tuple[slice, ...]

    def inside(self, part: Sequence[slice]) -> tuple[slice, ...]:
        """Where a part of the frame lies in the window."""
        return tuple(
            slice(p.start - w.start, p.stop - w.start)
            for p, w in zip(part, self.window, strict=True)
        )


@dataclass(frozen=True)
class Found:
    """What was found in a block.

    Parameters
    ----------
    n
        Number of objects in the core; their labels are 1 ... `n`.
    zones
        The same labels along its faces, for comparison with the neighbours'.
    """

    n: int
    zones: Zones


def plan_blocks(shape: Sequence[int], side: int, margin: int) -> list[Block]:
    """Cut a frame into blocks whose cores cover it once.

    Parameters
    ----------
    shape
        Of the frame, in pixels.
    side, margin
        Of a core, and around it, in pixels; the margin is at least `ZONE`.
    """
    blocks = []
    for index in itertools.product(*(range(-(-n // side)) for n in shape)):
        core = tuple(
            slice(i * side, min((i + 1) * side, n)) for i, n in zip(index, shape, strict=True)
        )
        window = tuple(
            slice(max(0, c.start - margin), min(n, c.stop + margin))
            for c, n in zip(core, shape, strict=True)
        )
        blocks.append(Block(index, core, window))
    return blocks


def keep_core(labels: Labels, block: Block, shape: Sequence[int]) -> tuple[Labels, Found]:
    """What a block gives, from the labels of its window.

    Parameters
    ----------
    labels
        ``(*window)``.
    shape
        Of the frame.

    Returns
    -------
    core
        ``(*core)``, counted from 1.
    found
        What is to be compared with the neighbours.
    """
    core = labels[block.inside(block.core)]
    present = np.unique(core)
    present = present[present > 0]
    new = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    new[present] = np.arange(1, len(present) + 1)
    zones: Zones = {}
    for axis, (c, n) in enumerate(zip(block.core, shape, strict=True)):
        for name, face in (("low", c.start), ("high", c.stop)):
            if 0 < face < n:
                zone = list(block.core)
                zone[axis] = slice(max(0, face - ZONE), min(n, face + ZONE))
                zones[f"{axis}-{name}"] = new[labels[block.inside(zone)]]
    return new[core], Found(len(present), zones)


def merge(
    counts: Mapping[Index, int], zone: Callable[[Index, str], Labels]
) -> tuple[dict[Index, npt.NDArray[np.int32]], int]:
    """Give every object of a frame one id.

    Parameters
    ----------
    counts
        Number of objects that each block of the frame has found.
    zone
        The labels of a block along one of its faces; looked at two at a time.

    Returns
    -------
    tables
        For each block, its label -> the object's id, ``(n + 1,)``; 0 stays 0.
    n_objects
        Ids are 1 ... `n_objects`.
    """
    ends = np.cumsum(list(counts.values()))
    starts = dict(zip(counts, [0, *ends.tolist()], strict=False))
    n = int(ends[-1]) if len(ends) else 0
    pairs = [np.zeros((2, 0), np.int64)]
    for index in counts:
        for axis in range(len(index)):
            beyond = (*index[:axis], index[axis] + 1, *index[axis + 1 :])
            if beyond in counts:
                a, b = _same(zone(index, f"{axis}-high"), zone(beyond, f"{axis}-low"))
                pairs.append(np.stack([a - 1 + starts[index], b - 1 + starts[beyond]]))
    a, b = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    n_objects, ids = connected_components(graph, directed=False) if n else (0, np.zeros(0, int))
    tables = {
        index: np.concatenate([[0], ids[starts[index] : starts[index] + n_found] + 1]).astype(
            np.int32
        )
        for index, n_found in counts.items()
    }
    return tables, int(n_objects)


def _same(one: Labels, other: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels of two blocks that are one object in the zone that both have labelled."""
    matches = match_objects(count_overlap(one, other))
    return matches.predicted.astype(np.int64), matches.true.astype(np.int64)
