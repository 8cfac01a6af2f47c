"""What the docks are made of: the wheel scrolls a dock, and changes only what has the focus."""

from __future__ import annotations

from typing import Any

import pytest
from magicgui.widgets import ComboBox, FloatSlider, SpinBox
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QSlider, QWidget

from napari_scribe.plugin.widgets.basics import scrolled, stack
from napari_scribe.plugin.widgets.calm import calm


def turn_wheel(widget: QWidget | None) -> None:
    """Turn the wheel by one notch; who ignores it leaves it to its parent, as with a real mouse."""
    while widget is not None:
        middle = QPointF(widget.rect().center())
        place = middle, QPointF(widget.mapToGlobal(middle.toPoint()))
        no = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(*place, QPoint(), QPoint(0, -120), *no, False)
        QApplication.sendEvent(widget, event)
        widget = None if event.isAccepted() else widget.parentWidget()


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: SpinBox(min=0, max=100, value=50),
        lambda: FloatSlider(min=0, max=1, value=0.5, readout=False),
        lambda: FloatSlider(min=0, max=1, value=0.5),
        lambda: ComboBox(choices=[1, 2, 3], value=2),
    ],
)
def test_the_wheel_scrolls_past_a_field(qtbot: Any, make: Any, is_late: bool) -> None:
    field = make()
    tall = QWidget()
    tall.setMinimumHeight(2000)
    content = stack(tall) if is_late else stack(field, tall)
    area = scrolled(content)
    qtbot.addWidget(area)
    area.resize(200, 200)
    area.show()
    area.activateWindow()
    qtbot.waitUntil(area.isActiveWindow)
    if is_late:
        content.layout().insertWidget(0, field.native)
        calm(content)
        QApplication.processEvents()
    before, inner = field.value, field.native.findChild(QSlider) or field.native
    area.setFocus()
    turn_wheel(inner)
    assert field.value == before
    assert area.verticalScrollBar().value() > 0
    inner.setFocus()
    qtbot.waitUntil(inner.hasFocus)
    turn_wheel(inner)
    assert field.value != before
