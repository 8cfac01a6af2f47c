"""Cut frames into blocks, and give objects that cross blocks one id.

Each block is decoded with a margin around its core. So both blocks at a face see an object that
crosses it, and both have labels for a zone along the face::

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
from ..windows import Window, grow, intersect, relative_to, whole

SIDE = {2: 2048, 3: 128}
"""Side of a block's core, in pixels, for 2D and 3D networks."""
MARGIN = {2: 128, 3: 32}
"""Pixels around a core that are decoded with it. Objects larger than this may come out differently
than if the whole frame were decoded at once."""
ZONE = 16
"""Pixels on either side of a face on which two blocks are compared."""
Index = tuple[int, ...]
"""Number of a block along each axis."""
Zones = dict[str, Labels]
"""``"0-low"``, ``"0-high"``, ``"1-low"`` ...: labels along each face that has a neighbour."""


@dataclass(frozen=True)
class Block:
    """Describe a part of a frame that is decoded at once.

    Parameters
    ----------
    index
        Number of the block along each axis.
    core
        Window of the frame that the block answers.
    window
        Window of the frame that is decoded: the core and a margin, within the frame.
    """

    index: Index
    core: Window
    window: Window


def plan_blocks(shape: Sequence[int], side: int, margin: int) -> list[Block]:
    """Cut a frame into blocks whose cores cover each pixel once.

    Parameters
    ----------
    shape
        Shape of the frame, in pixels.
    side, margin
        Side of a core, and pixels around it. The margin is at least `ZONE`.
    """
    blocks, frame = [], whole(shape)
    for index in itertools.product(*(range(-(-n // side)) for n in shape)):
        core = intersect([slice(i * side, (i + 1) * side) for i in index], frame)
        blocks.append(Block(index, core, intersect(grow(core, margin), frame)))
    return blocks


def crop_to_core(labels: Labels, block: Block, shape: Sequence[int]) -> tuple[Labels, int, Zones]:
    """Cut the labels of a block's window down to its core, and number them from 1.

    Parameters
    ----------
    labels
        ``(*window)``.
    shape
        Shape of the frame.

    Returns
    -------
    core
        ``(*core)``.
    n_objects
        Number of objects in the core; their labels are 1 ... `n_objects`.
    zones
        The same labels along the faces, to compare with the neighbours'.
    """
    core = labels[relative_to(block.core, block.window)]
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
                zones[f"{axis}-{name}"] = new[labels[relative_to(zone, block.window)]]
    return new[core], len(present), zones


def merge(
    counts: Mapping[Index, int], zone: Callable[[Index, str], Labels]
) -> tuple[dict[Index, npt.NDArray[np.int32]], int]:
    """Give every object of a frame one id.

    Parameters
    ----------
    counts
        Number of objects of each block of the frame.
    zone
        Return the labels of a block along one of its faces. Only two zones are in memory at a time.

    Returns
    -------
    tables
        For each block, label -> id of the object, ``(n + 1,)``; 0 stays 0.
    n_objects
        Number of objects; ids are 1 ... `n_objects`.
    """
    ends = np.cumsum(list(counts.values()))
    starts = dict(zip(counts, [0, *ends.tolist()], strict=False))
    n = int(ends[-1]) if len(ends) else 0
    pairs = [np.zeros((2, 0), np.int64)]
    for index in counts:
        for axis in range(len(index)):
            neighbour = (*index[:axis], index[axis] + 1, *index[axis + 1 :])
            if neighbour in counts:
                a, b = _same(zone(index, f"{axis}-high"), zone(neighbour, f"{axis}-low"))
                pairs.append(np.stack([a - 1 + starts[index], b - 1 + starts[neighbour]]))
    a, b = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    n_objects, ids = connected_components(graph, directed=False) if n else (0, np.zeros(0, int))
    tables = {
        index: np.concatenate([[0], ids[starts[index] : starts[index] + n_labels] + 1]).astype(
            np.int32
        )
        for index, n_labels in counts.items()
    }
    return tables, int(n_objects)


def _same(one: Labels, other: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the labels of each object that two blocks share, from the zone that both labelled."""
    matches = match_objects(count_overlap(one, other))
    return matches.predicted.astype(np.int64), matches.true.astype(np.int64)
