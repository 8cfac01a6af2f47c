"""A fine-tuning that does not help: the model before is kept, and the dock says by which losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.workspace.situation import situation
from napari_scribe.session.next_step import next_step
from napari_scribe.training import checkpoint
from napari_scribe.training.checkpoint import WARM_UP

RUINOUS = {"training.learning_rate": 1.0, "training.fine_tuning": 1.0, "training.batch": 1}


def refused_after(n_steps: int, dock: Any, kept: Any, qtbot: Any) -> Any:
    """Train from a model in a way that spoils it, for a number of steps at least."""
    dock.form.more.recipe.set_changes(RUINOUS)
    dock.form.more.start.set_value(kept)
    steps: list[Any] = []
    dock.runner.record.connect(steps.append)
    dock.train()
    qtbot.waitUntil(lambda: len(steps) >= n_steps)
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    return dock


def test_a_training_that_was_too_short_blames_no_paint(
    docks: Callable[[type], Any],
    painted: Any,
    kept: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "WARM_UP", 10_000)  # however many steps Stop comes after
    dock = refused_after(1, docks(TrainDock), kept, qtbot)
    assert dock.message.text.startswith("The training was too short to learn from this paint")
    assert dock.continue_button.isEnabled()
    now = situation(painted, {"Train": dock}, "Train", "")
    assert "press Continue" in next_step(now)[0]


def test_the_losses_of_what_was_refused_are_told(
    docks: Callable[[type], Any], painted: Any, kept: Any, qtbot: Any
) -> None:
    dock = refused_after(WARM_UP, docks(TrainDock), kept, qtbot)
    said = dock.message.text
    assert said.startswith("Training on this paint did not improve the model it started from")
    assert " with what was learnt" in said and "What helps" in said
    assert dock.trained.path == kept
    assert "Continue goes on with what was learnt." in dock.what_next.text()
    now = situation(painted, {"Train": dock}, "Train", "")
    assert next_step(now)[0].startswith("The model did not improve: paint where it is wrong")
