"""A training that is watched: what it can do, Revert, what goes on after a restart, its models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QRect

from napari_scribe.io.model_folder import list_models, model_folder
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.samples import nuclei
from napari_scribe.session.trainings import checkpoint_beside
from napari_scribe.training.job import TrainStep

SMALL = {
    "network.width": 2,
    "network.depth": 1,
    "training.patch": 16,
    "training.batch": 1,
    "training.validate_every": 2,
}


class Sitting:
    """A person at a dock: presses buttons, waits."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.steps: list[int] = []
        self.open()

    def open(self) -> Any:
        """Open the dock, as after a restart."""
        self.dock = TrainDock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock)
        self.dock.form.more.recipe.set_changes(SMALL)
        self.dock.runner.record.connect(self.take)
        return self.dock

    def take(self, record: Any) -> None:
        if isinstance(record, TrainStep):
            self.steps.append(record.index)

    def press(self, button: Any, n_steps: int = 6) -> int:
        """Press Train or Continue, and Stop a few steps later; return the last step."""
        n = len(self.steps)
        assert button.isEnabled()
        button.click()
        self.qtbot.waitUntil(lambda: len(self.steps) > n + n_steps)
        self.dock.stop_button.click()
        self.qtbot.waitUntil(lambda: not self.dock.runner.is_running)
        return self.steps[-1]


@pytest.fixture
def sitting(viewer: Any, qtbot: Any) -> Iterator[Sitting]:
    found = nuclei((96, 96), seed=1)
    viewer.add_image(found.image, name="cells")
    person = Sitting(viewer, qtbot)
    person.dock.form.new.click()
    viewer.layers["cells annotations"].data[:] = found.paint
    yield person
    person.dock.close_down()


def test_revert_goes_back_and_forward(sitting: Sitting) -> None:
    """After Continue, the model before is one press away, and the newer one again one press."""
    dock = sitting.dock
    assert dock.revert_button.isHidden() and not dock.what_next.text()
    assert "Train first" in dock.segment_button.toolTip()
    sitting.press(dock.train_button)
    assert "Train first" not in dock.segment_button.toolTip()
    first, course = dock.trained, dock.curves.course
    assert "held-out object" in dock.status.text()
    assert dock.revert_button.isHidden()
    said = dock.what_next.text()
    assert said.startswith("Train starts over. Continue goes on with cells objects (")
    last = sitting.press(dock.continue_button)
    second, longer = dock.trained, dock.curves.course
    assert (first.name, second.name) == ("cells objects", "cells objects (2)")
    assert len(course.steps) < len(longer.steps)
    assert dock.revert_button.isVisibleTo(dock)
    assert dock.revert_button.toolTip().startswith("Go to cells objects")
    dock.status.setText("")  # as where the model before was no worse
    dock._outcome.layout().setGeometry(QRect(0, 0, 400, 30))
    assert dock.revert_button.width() == dock.revert_button.sizeHint().width()
    dock.revert_button.click()
    assert dock.trained is first and dock.curves.course is course
    assert dock.message.text.startswith("Back to cells objects.")
    assert "cells objects (2)" in dock.revert_button.toolTip()
    dock.revert_button.click()
    assert dock.trained is second and dock.curves.course is longer
    dock.revert_button.click()
    assert sitting.press(dock.continue_button, 1) < last  # it went on from the model before
    assert {path.exists() for path in (first.path, second.path)} == {True}


def test_revert_does_not_go_to_a_model_of_another_image(sitting: Sitting) -> None:
    dock, viewer = sitting.dock, sitting.viewer
    sitting.press(dock.train_button)
    found = nuclei((96, 96), seed=2)
    viewer.add_image(found.image, name="other")
    dock.form.new.click()
    viewer.layers["other annotations"].data[:] = found.paint
    sitting.press(dock.train_button)
    assert dock.trained.name == "other objects"
    assert dock.before is None and dock.revert_button.isHidden()


def test_revert_goes_back_to_the_model_that_was_fine_tuned(sitting: Sitting) -> None:
    dock = sitting.dock
    sitting.press(dock.train_button, 12)
    parent = dock.trained
    dock.form.more.start.set_value(parent.path)
    assert "from cells objects" in dock.what_next.text()
    sitting.press(dock.train_button)
    assert dock.before.path == parent.path or dock.trained.is_parent
    if not dock.trained.is_parent:
        dock.revert_button.click()
        assert dock.trained.model.fingerprint() == parent.model.fingerprint()
        assert not dock.continue_button.isEnabled()
        assert "Start from" in dock.continue_button.toolTip()
        assert dock.segment_button.isEnabled()


def test_a_training_goes_on_in_another_sitting(sitting: Sitting) -> None:
    """A new dock offers what was trained on an image of this name and shape, and goes on."""
    stopped_at = sitting.press(sitting.dock.train_button)
    sitting.dock.close_down()
    dock = sitting.open()
    assert dock.trained is None and dock.continue_button.isEnabled()
    said = re.search(r"goes on with cells objects \((\d+) steps, ", dock.what_next.text())
    assert said and int(said[1]) in (stopped_at, stopped_at + 1)  # it may take one more to stop
    assert sitting.press(dock.continue_button) > stopped_at
    assert dock.trained.name == "cells objects (2)"
    assert dock.curves.course.validation[0][0] == 2  # the curve goes on, too
    other = sitting.viewer.add_image(np.zeros((96, 97)), name="cells")
    dock.close_down()
    dock = sitting.open()
    dock.form.image.layer.value = other
    assert not dock.continue_button.isEnabled()  # of another shape
    dock.form.more.start.set_value(list_models()[-1])
    assert "cells objects (" in dock.what_next.text()  # chosen in the list
    dock.form.image.layer.value = sitting.viewer.layers["cells"]
    assert sitting.press(dock.continue_button) > stopped_at


def test_what_is_no_more_is_not_offered(sitting: Sitting) -> None:
    sitting.press(sitting.dock.train_button, 1)
    (model,) = list_models()
    sitting.dock.close_down()
    assert sitting.open().continue_button.isEnabled()
    kept = sitting.dock.kept
    checkpoint_beside(model).write_bytes(b"damaged")
    sitting.dock.continue_button.click()
    sitting.qtbot.waitUntil(lambda: not sitting.dock.runner.is_running)
    assert kept is not None and "damaged" in sitting.dock.message.text
    sitting.dock.close_down()
    assert not sitting.open().continue_button.isEnabled()


def test_how_much_a_preview_covers_is_said(sitting: Sitting) -> None:
    dock, viewer = sitting.dock, sitting.viewer
    assert dock._about_previews(dock.form.value()) == ""
    dock.form.image.layer.value = viewer.add_image(np.zeros((600, 90)), name="long")
    dock.form.new.click()
    request = dock.form.value()
    assert "covers 512 x 512 px in the middle" in dock._about_previews(request)
    assert dock._about_previews(request.changed(has_previews=False)) == ""


# ---- models --------------------------------------------------------------------------------------


@pytest.fixture
def menu(viewer: Any, kept: Path, docks: Callable[[type], Any]) -> Any:
    """The menu of the models to start from, with one chosen, in a Train dock."""
    dock = docks(TrainDock)
    dock.form.more.start.set_value(kept)
    made = dock.form.more.start.menu
    made.dock = dock
    return made


def test_rename_and_delete_with_undo(menu: Any, kept: Path) -> None:
    dock, start = menu.dock, menu.dock.form.more.start
    menu.rename("my nuclei")
    assert dock.message.text == "nuclei 2026 is called my nuclei now."
    assert [path.stem for path in list_models()] == [start.value().stem] == ["my nuclei"]
    menu.rename("...")
    assert "needs a name" in dock.message.text
    menu.actions_by_name["Delete"].trigger()
    assert dock.message.text == "Delete my nuclei?"
    dock.message.answers["Keep it"].click()
    assert list_models()
    menu.delete()
    dock.message.answers["Delete"].click()
    assert not list_models() and start.value() is None
    dock.message.answers["Undo"].click()
    assert start.value() == model_folder() / "my nuclei.zip" and start.value().is_file()


def test_a_copy_and_the_card(menu: Any, kept: Path, tmp_path: Path, qtbot: Any) -> None:
    menu.save_copy(tmp_path / "mine.zip", with_sample=False)
    assert (tmp_path / "mine.zip").is_file() and "A copy of" in menu.dock.message.text
    menu.save_copy(kept, with_sample=True)
    assert "this model itself" in menu.dock.message.text
    menu.show_card()
    qtbot.waitUntil(lambda: menu.card is not None)
    text = menu.card.text.text()
    assert menu.card.windowTitle() == "nuclei 2026"
    assert "Model for objects, 2D" in text and "held-out object" in text
    menu.card.close()
    qtbot.waitUntil(lambda: menu.card is None)


def test_what_ships_stays(menu: Any) -> None:
    from napari_scribe.io.model_folder import shipped_models

    menu.show_state()
    assert all(action.isEnabled() for action in menu.actions_by_name.values())
    menu.dock.form.more.start.set_value(shipped_models()[0])
    menu.show_state()
    enabled = {name: a.isEnabled() for name, a in menu.actions_by_name.items()}
    assert enabled == {
        "Show card": True,
        "Rename...": False,
        "Save a copy...": True,
        "Delete": False,
    }
    menu.dock.form.more.start.set_value(None)
    menu.show_state()
    assert not any(action.isEnabled() for action in menu.actions_by_name.values())
