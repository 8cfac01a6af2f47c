"""A fine-tuning that does not help: the model before is kept, and the dock says by which losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.workspace.situation import situation
from napari_scribe.session.next_step import next_step

RUINOUS = {"training.learning_rate": 1.0, "training.fine_tuning": 1.0, "training.batch": 1}


def test_the_losses_of_what_was_refused_are_told(
    docks: Callable[[type], Any], painted: Any, kept: Any, qtbot: Any
) -> None:
    dock = docks(TrainDock)
    dock.form.more.recipe.set_changes(RUINOUS)
    dock.form.more.start.set_value(kept)
    steps: list[Any] = []
    dock.runner.record.connect(steps.append)
    dock.train()
    qtbot.waitUntil(lambda: len(steps) > 5)
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    said = dock.message.text
    assert said.startswith("Training on this paint did not improve the model it started from")
    assert " with what was learnt" in said and "What helps" in said
    assert dock.trained.path == kept
    assert "Continue goes on with what was learnt." in dock.what_next.text()
    now = situation(painted, {"Train": dock}, "Train", "")
    assert next_step(now)[0].startswith("The model did not improve: paint where it is wrong")
