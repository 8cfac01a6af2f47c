"""Choices that change, and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from magicgui.widgets import CheckBox
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel

from napari_scribe.plugin.widgets.basics import Column
from napari_scribe.plugin.widgets.inputs import Choice, PathEdit

pytestmark = pytest.mark.usefixtures("qapp")


def test_choices_have_the_order_of_what_offers_them() -> None:
    offered = [("b", 2), ("c", 3)]
    choice = Choice(lambda: offered)
    choice.value = 3
    heard: list[Any] = []
    choice.changed.connect(heard.append)
    offered.insert(0, ("a", 1))
    choice.reset_choices()
    assert choice.choices == (1, 2, 3)
    assert (choice.value, heard) == (3, [])
    offered.pop()
    choice.reset_choices()
    assert (choice.value, heard) == (1, [1])
    offered.clear()
    choice.reset_choices()
    assert (choice.choices, choice.value) == ((), None)


@pytest.mark.parametrize(
    ("text", "path"),
    [("", None), ("  ", None), (" ~/a ", Path.home() / "a"), ("b.zarr", Path("b.zarr"))],
)
def test_a_path_that_is_typed(text: str, path: Path | None) -> None:
    edit = PathEdit("w", "Save to", "Where", "nowhere")
    edit.value = Path("/before")
    heard: list[Any] = []
    edit.changed.connect(heard.append)
    edit.line_edit.native.setText(text)
    assert edit.value == path
    assert heard == [path]
    assert edit.line_edit.native.placeholderText() == "nowhere"


@pytest.mark.parametrize("mode", ["d", "w"])
def test_a_dialog_says_what_is_chosen(mode: str, qtbot: Any) -> None:
    edit = PathEdit(mode, "Folder of labels", "")
    qtbot.addWidget(edit.native)
    titles = []

    def read() -> None:
        dialog = QApplication.activeModalWidget()
        titles.append(dialog.windowTitle())
        dialog.close()

    QTimer.singleShot(0, read)
    edit.choose_btn.native.click()
    assert titles == ["Folder of labels"]
    assert edit.value is None


def test_a_column_has_its_parts_in_order_and_hears_of_them() -> None:
    first, second = CheckBox(text="first"), CheckBox(text="second")
    label = QLabel("between")
    column = Column(first, label, second)
    layout = column.native.layout()
    shown = [layout.itemAt(i).widget() for i in range(layout.count())]
    assert shown == [first.native, label, second.native]
    heard: list[Any] = []
    column.changed.connect(heard.append)
    second.value = True
    assert heard == [column]
