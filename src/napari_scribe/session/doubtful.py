"""Find places where a result is doubtful: objects that a slightly different decoding changes.

A network's answer is made into objects with a few numbers: how probable a pixel of an object is,
how low the distance falls between two. Objects that come out otherwise when these numbers are a
little higher or lower were decided by a hair.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..arrays import Array, Pixels
from ..evaluation.bands import dense
from ..inference.decoding import decoding_again
from ..model import Model
from ..progress import Job, run
from ..samples.corrections import Correction, find_corrections
from ..targets import Knob
from ..windows import Window, start_of

SHIFT = 0.3
"""By which share of its value a decoding parameter is made lower and higher."""
LARGE = 1.5
"""Least size of what may be two objects, in times the median: smaller ones are rarely two."""
MOST = 100
"""Places that are kept of an image."""
TWO, PIECE, MISSED, FAINT = (
    "perhaps two objects",
    "perhaps a piece",
    "perhaps missed",
    "faint object",
)
"""Why a place is doubtful."""


@dataclass(frozen=True)
class Place:
    """Describe a place to look at.

    Parameters
    ----------
    position
        A pixel of it, along the axes of the labels.
    score
        How many pixels are expected to be wrong.
    reason
        Why it is doubtful, in words.
    number
        The number of the object there; 0 for background.
    diameter
        Pixels across it, along the longest side.
    """

    position: tuple[int, ...]
    score: float
    reason: str
    number: int
    diameter: float


def uncertainty(probability: Pixels) -> npt.NDArray[np.float32]:
    """Return how unsure a probability is: 0 where it is 0 or 1, 1 where it is one half."""
    return 1 - np.abs(2 * np.asarray(probability, np.float32) - 1)


def doubtful_places(
    model: Model, maps: Mapping[str, Array], labels: Pixels, most: int = MOST
) -> list[Place]:
    """Return the most doubtful places of one frame, the most doubtful first.

    Parameters
    ----------
    model
        The model that made the maps.
    maps
        Name -> ``(channels, *labels)``, as `decode` takes them.
    labels
        The objects of the frame, ``(*spatial)``: those that were found, or as they are by now.
    most
        How many places are returned at most.

    Raises
    ------
    InputError
        If the model does not find objects, or a map is missing or has another shape.
    """
    return run(doubting(model, maps, labels, most))


def doubting(
    model: Model, maps: Mapping[str, Array], labels: Pixels, most: int = MOST
) -> Job[float, list[Place]]:
    """Return `doubtful_places` as a job; a step tells the share that is done."""
    return Job(lambda _job: _doubt(model, maps, labels, most))


def _doubt(
    model: Model, maps: Mapping[str, Array], labels: Pixels, most: int
) -> Generator[float, None, list[Place]]:
    changes = shifted(model.encoding.knobs, model.parameters)
    disputes = Disputes(labels)
    for n, change in enumerate(changes):
        decoded = decoding_again(model, maps, change)
        for _block in decoded:
            yield n / len(changes)
        disputes.add_all(decoded.result)
    return disputes.worst(most)


def shifted(knobs: Sequence[Knob], parameters: Mapping[str, float]) -> list[dict[str, float]]:
    """Return decodings that differ in one parameter from a model's own, each lower and higher.

    Sizes in pixels stay: what they leave out is small, and hardly a matter of doubt.
    """
    changes = []
    for knob in knobs:
        own = parameters.get(knob.name, knob.default)
        for factor in (1 - SHIFT, 1 + SHIFT):
            value = min(max(factor * own, knob.low), knob.high)
            if not knob.unit and value != own:
                changes.append({knob.name: value})
    return changes


@dataclass
class _Case:
    """Hold what is disputed about an object, or about one that is missing."""

    reason: str
    number: int
    position: tuple[int, ...]
    diameter: float
    n_wrong: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, n_wrong: int) -> None:
        """Count wrong pixels; the reason is the one for which most are."""
        self.n_wrong[reason] = self.n_wrong.get(reason, 0) + n_wrong
        self.reason = max(self.n_wrong, key=lambda r: self.n_wrong[r])


class _Objects:
    """Find the objects of a labels image by their number."""

    def __init__(self, labels: Pixels) -> None:
        self.labels = labels
        ranks, self._numbers = dense(labels)
        self._sizes = np.bincount(ranks.ravel())
        self._boxes = ndimage.find_objects(ranks)

    @property
    def median_size(self) -> float:
        """Return the median of their pixels; 0 where there are none."""
        sizes = self._sizes[1:]
        return float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0

    def box(self, number: int) -> Window:
        """Return the window of an object."""
        window: Window = self._boxes[self._rank(number) - 1]
        return window

    def size(self, number: int) -> int:
        """Return the number of its pixels."""
        return int(self._sizes[self._rank(number)])

    def _rank(self, number: int) -> int:
        return int(np.searchsorted(self._numbers, number))


class Disputes:
    """Collect what other segmentations of a frame say against some labels; one case an object.

    Objects differ that have no partner with an IoU of at least .5. Of those that others cut in two,
    only large ones are doubtful: a single object of an odd shape is often cut. A place counts as
    many pixels as would be wrong if the other segmentation were right, on average over all of them.

    Parameters
    ----------
    labels
        ``(*spatial)``, 0 is background.
    """

    def __init__(self, labels: Pixels) -> None:
        self._own = _Objects(labels)
        self._least_of_two = LARGE * self._own.median_size
        self._n_others = 0
        self._of_objects: dict[int, _Case] = {}
        self._missed: dict[int, _Case] = {}
        self._missed_at = np.zeros(labels.shape, np.int32)

    def add_all(self, other: Pixels) -> None:
        """Add what would be wrong if another segmentation were right."""
        self._n_others += 1
        found = _Objects(other)
        for correction in find_corrections(self._own.labels, other):
            self._add(correction, found)

    def worst(self, most: int) -> list[Place]:
        """Return the most doubtful places, the most doubtful first."""
        return nlargest(most, self._places(), key=lambda place: place.score)

    def _add(self, correction: Correction, other: _Objects) -> None:
        if correction.kind == "split":
            if self._own.size(correction.predicted[0]) >= self._least_of_two:
                self._doubt(correction.predicted[0], TWO, correction.n_wrong)
        elif correction.kind == "merge":
            smallest = min(correction.predicted, key=self._own.size)
            self._doubt(smallest, PIECE, correction.n_wrong)
        elif correction.kind == "erase":
            self._doubt(correction.predicted[0], FAINT, correction.n_wrong)
        else:
            self._miss(correction, other)

    def _places(self) -> Iterable[Place]:
        """Yield a place for each case."""
        for case in (*self._of_objects.values(), *self._missed.values()):
            score = sum(case.n_wrong.values()) / self._n_others
            yield Place(case.position, score, case.reason, case.number, case.diameter)

    def _doubt(self, number: int, reason: str, n_wrong: int) -> None:
        case = self._of_objects.get(number)
        if case is None:
            box = self._own.box(number)
            place = _middle_of(self._own.labels[box] == number, box)
            case = self._of_objects[number] = _Case(reason, number, *place)
        case.add(reason, n_wrong)

    def _miss(self, correction: Correction, other: _Objects) -> None:
        """Add an object that is not there, unless most of it lies in others."""
        number = correction.true[0]
        box = other.box(number)
        mask = other.labels[box] == number
        is_free = mask & (self._own.labels[box] == 0)
        if 2 * is_free.sum() < mask.sum():
            return
        known = self._missed_at[box][is_free]
        key = int(known.max(initial=0)) or len(self._missed) + 1
        self._missed_at[box][is_free] = key
        if key not in self._missed:
            self._missed[key] = _Case(MISSED, 0, *_middle_of(is_free, box))
        self._missed[key].add(MISSED, correction.n_wrong)


def _middle_of(mask: npt.NDArray[np.bool_], window: Window) -> tuple[tuple[int, ...], float]:
    """Return the innermost pixel of an object, and the pixels along its longest side."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))
    innermost = np.unravel_index(int(depth.argmax()), depth.shape)
    position = tuple(
        int(i) - 1 + start for i, start in zip(innermost, start_of(window), strict=True)
    )
    return position, float(max(mask.shape))
