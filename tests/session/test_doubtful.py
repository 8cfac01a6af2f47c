"""Doubtful places: objects that a slightly different decoding changes."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.inference.decoding import maps_to_decode
from napari_scribe.samples import nuclei
from napari_scribe.session.doubtful import (
    FAINT,
    MISSED,
    PIECE,
    TWO,
    Disputes,
    Place,
    doubtful_places,
    doubting,
    shifted,
    uncertainty,
)
from napari_scribe.targets import Knob


@pytest.fixture
def labels() -> np.ndarray:
    """Two that touch each other, and a larger one; their numbers are not in a row."""
    found = np.zeros((60, 80), np.int32)
    found[5:25, 5:25], found[5:25, 25:33], found[30:60, 40:60] = 3, 70_000, 9
    return found


def disputed(labels: np.ndarray, others: list[np.ndarray], most: int = 9) -> list[Place]:
    disputes = Disputes(labels)
    for other in others:
        disputes.add_all(other)
    return disputes.worst(most)


def test_what_others_say_becomes_a_reason(labels: np.ndarray) -> None:
    other = np.zeros_like(labels)
    other[5:25, 5:33] = 1  # both together
    other[30:60, 40:50], other[30:60, 50:60] = 2, 3  # in two
    other[30:40, 5:17] = 4  # where nothing is
    places = {place.reason: place for place in disputed(labels, [other])}
    assert set(places) == {TWO, PIECE, MISSED}
    assert (places[TWO].number, places[TWO].score) == (9, 300)
    assert (places[PIECE].number, places[PIECE].score) == (70_000, 160)
    assert (places[MISSED].number, places[MISSED].score) == (0, 120)
    assert labels[places[TWO].position] == 9
    assert labels[places[PIECE].position] == 70_000
    assert other[places[MISSED].position] == 4
    assert places[MISSED].diameter == 12


def test_the_most_doubtful_come_first_and_only_some_are_kept(labels: np.ndarray) -> None:
    without, smaller = labels.copy(), labels.copy()
    without[labels == 9] = 0
    smaller[labels == 70_000] = 0
    places = disputed(labels, [without, without, smaller, labels])
    assert [(place.reason, place.number, place.score) for place in places] == [
        (FAINT, 9, 300),
        (FAINT, 70_000, 40),
    ]
    assert disputed(labels, [without, smaller], most=1)[0].number == 9
    assert disputed(labels, [labels, labels]) == []
    assert disputed(np.zeros_like(labels), [np.zeros_like(labels)]) == []


def test_one_place_for_what_is_the_same(labels: np.ndarray) -> None:
    near, nearer = np.zeros_like(labels), np.zeros_like(labels)
    near[40:50, 5:15], nearer[42:52, 5:15] = 1, 1
    inside = labels.copy()
    inside[labels == 9] = 0
    inside[36:46, 41:59] = 9  # less than half of it
    none = np.zeros_like(labels)
    assert [place.score for place in disputed(none, [near, nearer])] == [100]
    (place,) = disputed(labels, [inside])
    assert (place.reason, place.number) == (FAINT, 9)


def test_what_is_as_small_as_others_is_not_two(labels: np.ndarray) -> None:
    other = labels.copy()
    other[5:25, 15:25] = 1
    assert disputed(labels, [other]) == []


def test_volumes(labels: np.ndarray) -> None:
    volume = np.stack([labels] * 4)
    without = np.where(volume == 9, 0, volume)
    (place,) = disputed(volume, [without])
    assert volume[place.position] == 9
    assert place.score == 2400


def test_parameters_are_shifted_within_their_range() -> None:
    knobs = (
        Knob("peak", "", "", default=0.5),
        Knob("seed", "", "", default=0.0),
        Knob("merge", "", "", default=0.5),
        Knob("min_size", "", "", default=10, high=100, unit="px"),
    )
    changes = shifted(knobs, {"merge": 0.9})
    assert [name for change in changes for name in change] == ["peak", "peak", "merge", "merge"]
    values = [value for change in changes for value in change.values()]
    assert values == pytest.approx([0.35, 0.65, 0.63, 1.0])


def test_uncertainty() -> None:
    assert uncertainty(np.array([0, 0.5, 1, 0.9], np.float16)) == pytest.approx(
        [0, 1, 0, 0.2], abs=1e-2
    )


def test_a_model_doubts_what_was_changed_for_the_worse() -> None:
    sample = nuclei((160, 160))
    model = ns.load_model("nuclei")
    job = ns.segment(model, ns.Image(sample.image, "YX"), save=maps_to_decode(model))
    labels = np.asarray(ns.run(job))
    numbers, sizes = np.unique(labels[labels > 0], return_counts=True)
    largest, second = numbers[np.argsort(-sizes)[:2]]
    worse = np.where(labels == largest, 0, labels)
    half = (worse == second) & (np.arange(160) < np.argwhere(worse == second)[:, 1].mean())
    worse[half] = labels.max() + 1
    looking = doubting(model, job.maps, worse)
    shares = list(looking)  # each a moment at which Stop is heard
    assert shares == sorted(shares) and len(shares) == len(set(shares)) == 6
    places = doubtful_places(model, job.maps, worse)
    assert places == looking.result
    assert {labels[place.position] for place in places if place.reason == MISSED} >= {largest}
    piece = next(place for place in places if place.reason == PIECE)
    assert labels[piece.position] == second
    assert [place.score for place in places] == sorted((p.score for p in places), reverse=True)
