"""Score labels: objects matched one to one by overlap, or classes pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arguments import checked
from ..arrays import Array, Pixels
from ..errors import InputError
from ..io import ImageLike
from .frames import aligned, frame_pairs, separated
from .overlap import THRESHOLDS, Counts, Ratios, count_overlap, match_objects
from .ratios import Rates, added, ratio, ratios
from .regions import RegionScores, compare_regions, pool_regions, thin_borders


@dataclass(frozen=True, eq=False)
class Scores(Rates):
    """Count the objects that were found, at each IoU threshold; rates are ``(10,)``.

    Parameters
    ----------
    thresholds
        ``(10,)``: `THRESHOLDS`. A pair matches at a threshold if its IoU is at least that.
    tp, fp, fn
        ``(10,)``: objects found, predicted objects without a true one, and true objects missed.
    iou_sum
        Sum of the IoU of the pairs that match at .5.
    intersection, union
        Pixels that are foreground (not 0) in both, and in at least one.
    regions
        Rand scores and variation of information, which need no matching.

    Notes
    -----
    If there are neither true nor predicted objects, all ratios are 1: the empty answer is right.
    If only one of the two is empty, they are 0.
    """

    thresholds: Ratios
    tp: Counts
    fp: Counts
    fn: Counts
    iou_sum: float
    intersection: int
    union: int
    regions: RegionScores

    @property
    def n_true(self) -> int:
        """Return the number of true objects."""
        return int(self.tp[0] + self.fn[0])

    @property
    def n_predicted(self) -> int:
        """Return the number of predicted objects."""
        return int(self.tp[0] + self.fp[0])

    @property
    def ap(self) -> Ratios:
        """Return the average precision of DSB 2018 and StarDist, TP / (TP + FP + FN), ``(10,)``."""
        return ratios(self.tp, self.tp + self.fp + self.fn)

    @property
    def mean_iou(self) -> float:
        """Return the mean IoU of the pairs that match at .5 (StarDist: ``mean_matched_score``).

        It judges outlines only: missed and invented objects do not lower it.
        """
        return ratio(self.iou_sum, int(self.tp[0]), self.n_true + self.n_predicted)

    @property
    def mean_true_iou(self) -> float:
        """Return the sum of the IoU of these pairs, divided by the number of true objects.

        StarDist calls it ``mean_true_score``.
        """
        return ratio(self.iou_sum, self.n_true, self.n_predicted)

    @property
    def panoptic_quality(self) -> float:
        """Return the sum of the IoU of these pairs over TP + FP / 2 + FN / 2 at .5.

        It is the product of segmentation quality (`mean_iou`) and recognition quality (F1): A.
        Kirillov et al., Panoptic segmentation, CVPR 2019. (They ask for an IoU above .5; the two
        differ only where an IoU is exactly .5.)
        """
        return self.mean_iou * float(self.f1[0])

    @property
    def foreground_iou(self) -> float:
        """Return the IoU of the foreground, pixel by pixel, whichever object a pixel belongs to."""
        return ratio(self.intersection, self.union)

    @property
    def foreground_dice(self) -> float:
        """Return the Dice coefficient of the foreground."""
        return ratio(2 * self.intersection, self.intersection + self.union)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in self.as_dict().items())
        return f"Scores({numbers})"

    def as_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON; precision, recall and F1 are those at IoU .5."""
        names = [f"AP{round(100 * t)}" for t in self.thresholds]
        return {
            "precision": float(self.precision[0]),
            "recall": float(self.recall[0]),
            "F1": float(self.f1[0]),
            **dict(zip(names, self.ap.tolist(), strict=True)),
            "mean_AP": float(self.ap.mean()),
            "mean_IoU": self.mean_iou,
            "mean_true_IoU": self.mean_true_iou,
            "foreground_IoU": self.foreground_iou,
            "foreground_Dice": self.foreground_dice,
            "SQ": self.mean_iou,
            "RQ": float(self.f1[0]),
            "PQ": self.panoptic_quality,
            **self.regions.as_dict(),
            "n_true": self.n_true,
            "n_predicted": self.n_predicted,
        }


@checked
def evaluate(
    labels: ImageLike,
    truth: ImageLike,
    *,
    slices: bool = False,
    pieces: bool | None = None,
    thin: bool = False,
) -> Scores:
    """Score predicted objects against true ones.

    Every time point is scored by itself, and counts are added, as the same number in two time
    points may be two objects. A stack is scored as a whole. Objects are matched one to one, see
    `match_objects`. A pair counts if its IoU is at least the threshold. Rand scores and variation
    of information compare the pixels of the true foreground without matching, see `RegionScores`.

    Parameters
    ----------
    labels, truth
        Label images of one shape, 2D or 3D, with or without time, integer or bool (taken as 0 and
        1), or their files; 0 is background. Axes of length 1 are ignored. They are read slab by
        slab, so they may be lazy. Of two arrays, three axes are ZYX, a stack, and four TZYX: give
        a 2D movie as ``Image(labels, "TYX")``.
    slices
        Whether Z is a list of slices with objects of their own.
    pieces
        If True, each separate piece of a number is an object, and both images are held in memory.
        If False, each number is one object, in however many pieces. If None, a number that covers
        many pieces is an error.
    thin
        If True, predicted objects grow until only lines of one pixel are left between them before
        Rand scores and variation of information are computed, and pieces that touch at a corner
        only are separate, both as in the ISBI 2012 challenge. The labels are held in memory.

    Raises
    ------
    InputError
        If shapes differ, values are not whole numbers from 0, or one number covers many pieces
        and `pieces` is None.
    """
    frames = frame_pairs(labels, truth, slices)
    return pool([_evaluate_frame(p, t, pieces, thin) for p, t in frames])


def _evaluate_frame(labels: Array, truth: Array, pieces: bool | None, thin: bool) -> Scores:
    """Score the objects of one frame."""
    if labels.shape == truth.shape:
        labels = separated(labels, "labels", pieces, thin)
        truth = separated(truth, "truth", pieces, thin)
    overlap = count_overlap(labels, truth)
    divided = count_overlap(thin_borders(labels), truth) if thin else overlap
    matches = match_objects(overlap)
    tp = matches.counts()
    predicted, true = overlap.predicted > 0, overlap.true > 0
    n_predicted = len(np.unique(overlap.predicted[predicted]))
    n_true = len(np.unique(overlap.true[true]))
    return Scores(
        thresholds=THRESHOLDS,
        tp=tp,
        fp=n_predicted - tp,
        fn=n_true - tp,
        iou_sum=float(matches.iou.sum()),
        intersection=int(overlap.pixels[predicted & true].sum()),
        union=int(overlap.pixels[predicted | true].sum()),
        regions=compare_regions(divided),
    )


def pool(scores: Sequence[Scores]) -> Scores:
    """Return the scores of many images as if they were one: counts are added.

    Raises
    ------
    InputError
        If there are none.
    """
    if not scores:
        raise InputError("There are no scores to pool: evaluate at least one image.")
    return Scores(
        thresholds=THRESHOLDS,
        tp=np.sum([s.tp for s in scores], axis=0),
        fp=np.sum([s.fp for s in scores], axis=0),
        fn=np.sum([s.fn for s in scores], axis=0),
        iou_sum=math.fsum(s.iou_sum for s in scores),
        intersection=sum(s.intersection for s in scores),
        union=sum(s.union for s in scores),
        regions=pool_regions([s.regions for s in scores]),
    )


@dataclass(frozen=True, eq=False)
class ClassScores(Rates):
    """Count the pixels that were classified right, for each class; rates are ``(n,)``.

    Parameters
    ----------
    classes
        ``(n,)``: every value in labels or truth that is scored, ascending; 0 is a class, too.
    tp, fp, fn
        ``(n,)``: pixels of each class that are right, predicted wrongly, and missed.
    """

    classes: Counts
    tp: Counts
    fp: Counts
    fn: Counts

    @property
    def iou(self) -> Ratios:
        """Return TP / (TP + FP + FN), ``(n,)``."""
        return ratios(self.tp, self.tp + self.fp + self.fn)

    @property
    def mean_iou(self) -> float:
        """Return the mean IoU of the classes; 1 if there was no pixel to score."""
        return float(self.iou.mean()) if len(self.classes) else 1.0

    @property
    def mean_dice(self) -> float:
        """Return the mean Dice coefficient (F1) of the classes; 1 if no pixel was scored."""
        return float(self.f1.mean()) if len(self.classes) else 1.0

    @property
    def pixel_error(self) -> float:
        """Return the share of the pixels that were given a wrong class; 0 if there was none."""
        return 1 - ratio(float(self.tp.sum()), float((self.tp + self.fn).sum()))

    def as_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON: means, and ratios of each class, such as IoU_1."""
        columns = {"IoU": self.iou, "precision": self.precision, "recall": self.recall}
        columns["F1"] = self.f1
        each = {
            f"{name}_{value}": float(column[i])
            for i, value in enumerate(self.classes)
            for name, column in columns.items()
        }
        means = {"mean_IoU": self.mean_iou, "mean_Dice": self.mean_dice}
        return {**means, "pixel_error": self.pixel_error, **each}


@checked
def evaluate_classes(
    labels: ImageLike, truth: ImageLike, ignore: ImageLike | None = None
) -> ClassScores:
    """Score classes pixel by pixel.

    Parameters
    ----------
    labels, truth
        Class images of one shape, integer or bool, or their files. Axes of length 1 are ignored.
    ignore
        Mask of the same shape: pixels where it is not 0 are not scored, such as ``truth == 0`` for
        sparse truth, or the outside of a field of view.

    Raises
    ------
    InputError
        If shapes differ, or values are not whole numbers from 0.
    """
    predicted, true = aligned(labels, truth)
    mask = None if ignore is None else aligned(ignore, true)[0]
    overlap = count_overlap(predicted, true, mask)
    same = overlap.predicted == overlap.true
    classes = np.unique(np.concatenate([overlap.predicted, overlap.true])).astype(np.int64)

    def count(values: Pixels, pixels: Counts) -> Counts:
        at = np.searchsorted(classes, values.astype(np.int64))
        return np.bincount(at, pixels, minlength=len(classes)).astype(np.int64)

    return ClassScores(
        classes=classes,
        tp=count(overlap.true[same], overlap.pixels[same]),
        fp=count(overlap.predicted[~same], overlap.pixels[~same]),
        fn=count(overlap.true[~same], overlap.pixels[~same]),
    )


def pool_classes(scores: Sequence[ClassScores]) -> ClassScores:
    """Return the class scores of many images as if they were one: pixels are added."""
    columns = zip(*((s.classes, s.tp, s.fp, s.fn) for s in scores), strict=True)
    return ClassScores(*added(*columns))
