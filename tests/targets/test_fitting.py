"""Decoding parameters change for a gain that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.samples import nuclei
from napari_scribe.targets import (
    ENCODINGS,
    Knob,
    Parameters,
    Prediction,
    checked_knobs,
    defaults_of,
    encoding_of,
)
from napari_scribe.targets.distance import KNOBS
from napari_scribe.targets.fitting import (
    MIN_SIZE,
    ObjectsEncoding,
    _by_object,
    drawn_to_defaults,
    score,
)
from napari_scribe.targets.paint import Labels

TRUTH = nuclei((192, 192), seed=2).truth
LABELS = np.where(TRUTH > 0, TRUTH + 1, 1)


@dataclass(frozen=True)
class Table(ObjectsEncoding):
    """Answer with the labels that are kept for a value, to fit what is known beforehand."""

    labels: dict[float, Labels]

    @property
    def knobs(self) -> tuple[Knob, ...]:
        return (Knob("value", "Value", "Which.", 0.0, tried=tuple(self.labels)[1:]), MIN_SIZE)

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        return self.labels[parameters["value"]]


def without(*objects: int) -> Labels:
    return np.where(np.isin(TRUTH, objects), 0, TRUTH)


def chosen(**labels: Labels) -> float:
    values = dict(zip((0.0, 1.0, 2.0), labels.values(), strict=False))
    return Table(values).fit([({}, LABELS)])["value"]


def test_what_one_object_gains_decides_nothing_and_what_many_gain_does():
    n = int(TRUTH.max())
    assert n >= 12
    assert chosen(default=without(1), one_more=TRUTH) == 0
    assert chosen(default=without(*range(1, n // 2)), many_more=TRUTH) == 1
    assert chosen(default=without(1, 2, 3), three_for_three=without(4, 5, 6)) == 0


def test_slices_without_paint_do_not_count():
    """Of each object one slice is painted, and the answer holds all three slices of it."""
    answer = np.repeat(TRUTH[np.newaxis], 3, axis=0)
    paint = np.zeros_like(answer)
    paint[1] = LABELS
    n = int(TRUTH.max())
    few = np.where(answer > n // 2, answer, 0)
    table = Table({0.0: few, 1.0: answer})
    assert table.fit([({}, paint)])["value"] == 1


def test_of_two_better_ones_the_best_is_taken_and_of_two_alike_the_first():
    half, few = without(*range(1, TRUTH.max() // 2)), without(1)
    assert chosen(default=half, better=few, best=TRUTH) == 2
    assert chosen(default=half, one=TRUTH, other=TRUTH) == 1


def test_the_sum_over_objects_is_that_of_all():
    """The score of complete paint is the mean AP of the labels."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        found = np.roll(without(*rng.integers(1, TRUTH.max(), 4)), rng.integers(0, 4, 2), (0, 1))
        found[:9, :9] = 99
        counts = _by_object(found.astype(np.int32), LABELS)
        scores = evaluate(found, TRUTH)
        np.testing.assert_array_equal(counts.sum(axis=0).T, [scores.tp, scores.fp, scores.fn])
        assert float(score(counts.sum(axis=0))) == pytest.approx(scores.ap.mean())


def test_one_image_moves_parameters_half_way_and_many_nearly_all_of_it():
    best = {"merge": 0.65, "foreground": 0.3, "peak": 0.5, "min_size": 40.0}
    assert drawn_to_defaults(KNOBS, best, 0) == {**defaults_of(KNOBS), "min_size": 40}
    half = drawn_to_defaults(KNOBS, best, 1)
    assert half == pytest.approx({"merge": 0.6, "foreground": 0.375, "peak": 0.5, "min_size": 40})
    assert drawn_to_defaults(KNOBS, best, 99) == pytest.approx(best, abs=0.003)
    assert drawn_to_defaults(KNOBS, {}, 3) == {}


@pytest.mark.parametrize("name", [k for k, v in ENCODINGS.items() if v.task == "objects"])
def test_every_encoding_of_objects_says_what_can_be_changed(name: str):
    encoding = encoding_of(ns.Recipe(target={"encoding": name}))
    assert {"foreground", "min_size"} <= set(defaults_of(encoding.knobs))
    for knob in encoding.knobs:
        assert all(knob.low <= value <= knob.high for value in (knob.default, *knob.tried))
        assert knob.title and knob.description.endswith(".")
    empty = {h.name: np.zeros((h.channels, 8, 8), np.float32) for h in encoding.heads}
    assert not encoding.decode(empty, defaults_of(encoding.knobs)).any()


def test_values_are_checked():
    assert checked_knobs(KNOBS, {"merge": "0.6"}) == {"merge": 0.6}
    for values, words in [
        ({"marge": 0.5}, "no decoding parameter 'marge'.*Nearest: merge"),
        ({"merge": 2}, "'merge' is a number from 0 to 1, not 2"),
        ({"merge": "high"}, "not high"),
        ({"merge": float("nan")}, "not nan"),
    ]:
        with pytest.raises(InputError, match=words):
            checked_knobs(KNOBS, values)
    with pytest.raises(InputError, match="Only the decoding of objects"):
        checked_knobs((), {"merge": 0.5})
