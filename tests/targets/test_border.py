"""Background and object, weighted at borders: encoded and decoded again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.recipe import ObjectsTarget
from napari_scribe.samples import nuclei
from napari_scribe.targets import Encoded
from napari_scribe.targets.border import BorderEncoding

TOUCHING = np.ones((9, 20), np.int32)
TOUCHING[2:7, 3:9], TOUCHING[2:7, 9:15] = 2, 3


def encode(labels: Any, held: Any = None, **recipe: Any) -> Encoded:
    labels = np.asarray(labels, np.int32)
    held = np.zeros(labels.shape, bool) if held is None else held
    has_background = bool((labels == 1).any())
    return BorderEncoding(ObjectsTarget(**recipe)).encode(labels, held, has_background)


def perfect(truth: np.ndarray) -> dict[str, np.ndarray]:
    """A prediction without error."""
    (inside,) = encode(np.where(truth > 0, truth + 1, 1)).values
    return {"border": np.stack([1 - inside, inside])}


def test_objects_that_touch_are_parted():
    (inside,) = encode(TOUCHING).values
    assert not inside[:, 8:10].any()
    assert inside[2:7, 3:8].all() and inside[2:7, 10:15].all()
    assert inside.sum() == 2 * 5 * 5


def test_a_border_between_objects_weighs_as_in_the_paper():
    (weights,) = encode(TOUCHING, border_weight=10, border_sigma=5).weights
    # The two pixels between them are 1 and 2 pixels from the objects, as these are seen then.
    assert weights[4, 8:10] == pytest.approx(1 + 10 * np.exp(-((1 + 2) ** 2) / 50), rel=1e-4)
    assert (weights[2:7, 3:8] == 1).all()


@pytest.mark.parametrize("weight", [0, 10])
def test_what_is_not_painted_weighs_nothing(weight: float):
    labels = TOUCHING.copy()
    labels[:, 17:] = 0
    (weights,) = encode(labels, ring=0, border_weight=weight).weights
    assert not weights[:, 17:].any() and (weights[:, :17] >= 1).all()
    labels[labels == 1] = 0
    (weights,) = encode(labels, ring=0, unpainted=0.25, border_weight=0).weights
    assert (weights[labels == 0] == 0.25).all()


@pytest.mark.parametrize("shape", [(256, 256), (24, 96, 96)])
def test_a_perfect_prediction_gives_the_objects_back(shape: tuple[int, ...]):
    truth = nuclei(shape, seed=0).truth
    found = BorderEncoding(ObjectsTarget()).decode(perfect(truth), {})
    assert found.dtype == np.int32 and found.shape == truth.shape
    assert evaluate(found, truth).ap[0] >= 0.95  # IoU .5
    assert sorted(set(found.ravel().tolist())) == list(range(found.max() + 1))


def test_small_pieces_are_dropped_and_the_others_counted_on():
    truth = np.zeros((20, 30), np.int32)
    truth[2:9, 2:9], truth[2:4, 12:14], truth[10:18, 15:25] = 1, 2, 3
    coder = BorderEncoding(ObjectsTarget())
    found = coder.decode(perfect(truth), {})
    assert set(np.unique(found)) == {0, 1, 2}
    assert found[3, 3] == 1 and found[12, 18] == 2
    assert not coder.decode({"border": np.stack([truth * 0 + 1.0, truth * 0.0])}, {}).any()


def test_what_encoding_takes_from_touching_objects_is_given_back():
    truth = nuclei((160, 160), seed=0).truth
    truth[40:60, 40:80], truth[40:60, 80:120] = 200, 201
    truth[60:75, 40:100] = 202
    coder = BorderEncoding(ObjectsTarget())
    open_, closed = (coder.decode(perfect(truth), {"gap": gap}) for gap in (0.0, 1.0))
    np.testing.assert_array_equal(closed[open_ > 0], open_[open_ > 0])
    assert not closed[truth == 0].any()
    given = (closed > 0) & (open_ == 0)
    assert given.sum() >= 150
    pairs = set(zip(truth[closed > 0].tolist(), closed[closed > 0].tolist(), strict=True))
    assert len(pairs) == closed.max()  # none has a pixel of another
    assert (closed[truth > 0] > 0).mean() > 0.995


def test_seeds_part_what_is_joined_by_doubtful_pixels_and_lose_no_outline():
    inside = np.zeros((20, 40), np.float32)
    inside[5:15, 5:17], inside[5:15, 19:31], inside[8:11, 17:19] = 0.95, 0.9, 0.6
    inside[4, 5:31] = 0.6  # a doubtful rim
    prediction = {"border": np.stack([1 - inside, inside])}
    coder = BorderEncoding(ObjectsTarget())
    joined, parted = (coder.decode(prediction, {"seed": seed}) for seed in (0.0, 0.8))
    assert joined.max() == 1 and parted.max() == 2
    np.testing.assert_array_equal(parted > 0, joined > 0)
    assert len(np.unique(parted[5:15, 5:17])) == len(np.unique(parted[5:15, 19:31])) == 1


def test_the_fit_gives_back_and_follows_sizes():
    coder = BorderEncoding(ObjectsTarget())
    paint = np.where(TOUCHING > 1, TOUCHING, 0)
    prediction = perfect(np.maximum(TOUCHING - 1, 0))
    fitted = coder.fit([(prediction, paint)])
    assert fitted == {
        "foreground": 0.5,
        "seed": 0,
        "gap": 1,
        "min_size": pytest.approx((10 * 7.5) ** 0.5),
    }
    np.testing.assert_array_equal(coder.decode(prediction, fitted) > 0, paint > 0)
    assert coder.fit([])["min_size"] == 10
