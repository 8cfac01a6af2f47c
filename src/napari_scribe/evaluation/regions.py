"""Compare two segmentations as divisions of the pixels: Rand scores, variation of information.

Both ask which pixels belong together, whatever the outlines: the measures for neurons and for the
cells between membranes. They are restricted to the foreground, as I. Arganda-Carreras et al.,
Crowdsourcing the creation of image segmentation algorithms for connectomics, Frontiers in
Neuroanatomy 9:142, 2015 define them: pixels that are background (0) in the truth do not count, and
a pixel that is background in the prediction is a region of its own there.

`skimage.metrics` is not used: it takes the predicted background as one more region, and needs both
images whole in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from ..arrays import Array, Pixels
from .overlap import Overlap
from .ratios import ratio


@dataclass(frozen=True)
class RegionScores:
    """Count pairs of pixels that belong together, and the information that two divisions share.

    Parameters
    ----------
    n_pixels
        Pixels of the true foreground.
    pairs, predicted_pairs, true_pairs
        Ordered pairs of these pixels that lie in one region: of both, of the prediction, of the
        truth.
    split, merge
        Conditional entropies, in bits times `n_pixels`: of the prediction if the truth is known,
        and the other way round.
    shared
        Mutual information, in bits times `n_pixels`.

    Notes
    -----
    Without true foreground there is nothing to compare: all ratios are 1.
    """

    n_pixels: float
    pairs: float
    predicted_pairs: float
    true_pairs: float
    split: float
    merge: float
    shared: float

    @property
    def rand_precision(self) -> float:
        """Return the share of the predicted pairs that are true; merged regions lower it.

        Arganda-Carreras et al. call it the Rand merge score.
        """
        return ratio(self.pairs, self.predicted_pairs, self.true_pairs)

    @property
    def rand_recall(self) -> float:
        """Return the share of the true pairs that are predicted; split regions lower it.

        Arganda-Carreras et al. call it the Rand split score.
        """
        return ratio(self.pairs, self.true_pairs, self.predicted_pairs)

    @property
    def v_rand(self) -> float:
        """Return the F-score of the two; 1 minus it is the adapted Rand error of SNEMI3D."""
        return ratio(2 * self.pairs, self.predicted_pairs + self.true_pairs)

    @property
    def vi_split(self) -> float:
        """Return the part of the variation of information that splits cause, in bits a pixel."""
        return self.split / self.n_pixels if self.n_pixels else 0.0

    @property
    def vi_merge(self) -> float:
        """Return the part of the variation of information that merges cause, in bits a pixel."""
        return self.merge / self.n_pixels if self.n_pixels else 0.0

    @property
    def v_info(self) -> float:
        """Return the mutual information divided by the mean of the two entropies."""
        return ratio(2 * self.shared, 2 * self.shared + self.split + self.merge)

    def as_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON."""
        return {
            "adapted_rand_error": 1 - self.v_rand,
            "rand_precision": self.rand_precision,
            "rand_recall": self.rand_recall,
            "VI_split": self.vi_split,
            "VI_merge": self.vi_merge,
            "V_rand": self.v_rand,
            "V_info": self.v_info,
        }


def compare_regions(overlap: Overlap) -> RegionScores:
    """Compare two label images by the pixels that their regions share.

    Every sum runs over the pixels: a pixel adds the other pixels of its region to the pairs, and
    the logarithm of the quotient of two regions' sizes to an entropy.
    """
    is_foreground = overlap.true != 0
    predicted, true, pixels = (column[is_foreground] for column in overlap)
    _, p = np.unique(predicted, return_inverse=True)
    _, t = np.unique(true, return_inverse=True)
    n = pixels.astype(np.float64)
    is_alone = predicted == 0
    both = np.where(is_alone, 1, n)
    of_predicted = np.where(is_alone, 1, np.bincount(p, n)[p])
    of_true = np.bincount(t, n)[t]
    share = both * n.sum() / (of_predicted * of_true)
    return RegionScores(
        n_pixels=float(n.sum()),
        pairs=float(n @ (both - 1)),
        predicted_pairs=float(n @ (of_predicted - 1)),
        true_pairs=float(n @ (of_true - 1)),
        split=float(n @ np.log2(of_true / both)),
        merge=float(n @ np.log2(of_predicted / both)),
        # 0 if one of the two is a single region, which rounding may bring below
        shared=max(float(n @ np.log2(share)), 0.0),
    )


def pool_regions(scores: Sequence[RegionScores]) -> RegionScores:
    """Add up the scores of many images: pairs lie within an image, entropies count by pixels."""
    return RegionScores(*map(math.fsum, zip(*map(astuple, scores), strict=True)))


def thin_borders(labels: Array) -> Pixels:
    """Grow objects until only lines of one pixel are left between them; touching ones stay so.

    So how wide a border is drawn no longer counts. The labels are held in memory.
    """
    from skimage.segmentation import watershed

    numbers, compact = np.unique(np.asarray(labels), return_inverse=True)
    if numbers[0] != 0:  # no border at all
        return np.asarray(labels)
    flat = np.zeros(compact.shape, np.uint8)
    grown: Pixels = watershed(flat, compact.astype(np.int32), watershed_line=True)
    return numbers[grown]
