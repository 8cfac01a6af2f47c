"""What is next follows from what there is."""

from __future__ import annotations

from itertools import product

from napari_scribe.session.next_step import Situation, next_step


def test_the_way_from_image_to_table() -> None:
    way = [
        Situation(),
        Situation(has_annotations=True),
        Situation(has_annotations=True, is_trained=True),
        Situation(has_annotations=True, is_trained=True, has_result=True),
        Situation(has_annotations=True, has_result=True, is_corrected=True),
        Situation(has_annotations=True, has_result=True, is_measured=True),
    ]
    steps = [next_step(now)[1] for now in way]
    assert steps == ["Segment", "Train", "Segment", "Correct", "Correct", "Measure"]
    assert len({next_step(now)[0] for now in way}) == len(way)


def test_every_situation_has_a_sentence() -> None:
    for values in product([False, True], repeat=5):
        text, _ = next_step(Situation(*values))
        assert text.endswith(".") and len(text) < 80
