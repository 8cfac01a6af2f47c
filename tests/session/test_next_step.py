"""What is next follows from what there is and from what runs."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from napari_scribe.session.next_step import Situation, next_step

PAINTED = {"has_annotations": True, "is_enough": True}
SEGMENTED = {**PAINTED, "has_result": True, "has_own_result": True}
CORRECTED = {**SEGMENTED, "is_corrected": True, "is_taught": True}
TRAINING = {"running": "Training on a: step 8", "runs_on": "Train", "is_training": True}


@pytest.mark.parametrize(
    ("now", "says", "step"),
    [
        ({}, "paint a few objects and train one", "Segment"),
        ({"has_annotations": True}, "Paint a few objects", "Train"),
        ({"has_annotations": True, "is_enough": False}, "Paint a few objects", "Train"),
        (PAINTED, "press Train", "Train"),
        # Train again on the same paint would be refused again.
        ({**PAINTED, "is_refused": True, "page": "Train"}, "paint where it is wrong", "Train"),
        ({**SEGMENTED, "is_refused": True}, "Look at the result", "Correct"),
        ({"is_refused": True}, "paint a few objects and train one", "Segment"),
        ({"is_enough": True}, "paint a few objects and train one", "Segment"),
        # What runs comes first; a training is watched where it is shown.
        ({**PAINTED, **TRAINING, "page": "Train"}, "paint on where it is wrong", "Train"),
        ({**PAINTED, **TRAINING, "page": "Segment"}, "Training on a: step 8.", "Train"),
        (
            {
                **SEGMENTED,
                "page": "Train",
                "running": "Segmenting a: tile 2 of 9",
                "runs_on": "Segment",
            },
            "Segmenting a: tile 2 of 9.",
            "Segment",
        ),
        (
            {"page": "Denoise", "running": "Denoising a", "runs_on": "Denoise"},
            "Denoising",
            "Denoise",
        ),
        # Newer than a result is what was trained since.
        ({**PAINTED, "is_trained": True}, "segment the image", "Segment"),
        ({**PAINTED, "is_trained": True, "has_learnt_little": True}, "continue", "Train"),
        ({**SEGMENTED, "has_own_result": False, "is_trained": True}, "segment the", "Segment"),
        ({**SEGMENTED, "is_corrected": True, "is_trained": True}, "segment the image", "Segment"),
        (SEGMENTED, "Look at the result", "Correct"),
        ({**SEGMENTED, "page": "Train"}, "Look at the result", "Correct"),
        ({"has_result": True, "page": "Train"}, "Look at the result", "Correct"),
        ({**SEGMENTED, "is_corrected": True}, "teach the corrections", "Correct"),
        ({**SEGMENTED, "is_measured": True}, "Save the table", "Measure"),
        # What is taught waits for a training, also where another model's result was corrected.
        ({**CORRECTED, "page": "Correct"}, "Train on with what you taught", "Train"),
        ({**CORRECTED, "has_own_result": False, "page": "Train"}, "you taught", "Train"),
        ({**CORRECTED, "is_measured": True, "page": "Measure"}, "Save the table", "Measure"),
        ({**CORRECTED, "is_measured": True, "page": "Train"}, "you taught", "Train"),
        ({**CORRECTED, "is_trained": True}, "segment the image", "Segment"),
        # Who paints because another model's result is bad is told about the paint.
        ({"has_annotations": True, "has_result": True, "page": "Train"}, "Paint a few", "Train"),
        ({**PAINTED, "has_result": True, "page": "Train"}, "press Train", "Train"),
        ({**PAINTED, "has_result": True, "page": "Correct"}, "Look at the result", "Correct"),
        # Paint that can be restored is told of where it is not asked about.
        ({"lost": "Paint was not saved.", "page": "Segment"}, "Paint was not saved.", "Restore"),
        ({"lost": "Paint was not saved.", "page": "Denoise"}, "Paint was not saved.", "Restore"),
        ({"lost": "Paint was not saved.", "page": "Train"}, "Segment with a model", "Segment"),
        # The Denoise page has an order of its own.
        ({**PAINTED, "page": "Denoise"}, "press Train", "Denoise"),
        ({"has_denoiser": True, "page": "Denoise"}, "Apply the denoiser", "Denoise"),
        (
            {"has_denoiser": True, "is_denoised": True, "page": "Denoise"},
            "Compare the result",
            "Denoise",
        ),
        # Continue goes on with what was learnt; Train does not.
        ({**PAINTED, "can_continue": True}, "press Continue", "Train"),
        ({**CORRECTED, "can_continue": True, "page": "Correct"}, "press Continue", "Train"),
        ({**CORRECTED, "page": "Correct"}, "press Train", "Train"),
    ],
)
def test_what_is_next(now: dict[str, Any], says: str, step: str) -> None:
    text, where = next_step(Situation(**now))
    assert says in text and (bool(text), where) == (bool(says), step)


def test_every_situation_has_a_sentence() -> None:
    names = [
        name for name in Situation.__dataclass_fields__ if name.startswith(("is_", "has_", "can_"))
    ]
    for values in product([False, True], repeat=len(names)):
        text, step = next_step(Situation(**dict(zip(names, values, strict=True))))  # type: ignore[arg-type]
        assert text.endswith(".") and len(text) < 80 and step
