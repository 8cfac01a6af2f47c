"""What all docks do: Tab follows the eye, and what a person waits for stays in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QProgressBar, QWidget

from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.dock import Dock
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.widgets.basics import LINE, Fold
from napari_scribe.plugin.widgets.feedback import Progress

DOCKS = [TrainDock, SegmentDock, DenoiseDock]
LONG_TEXT = "The check found something, and this says what it was and what can be done. " * 12


@pytest.fixture
def shown(make_napari_viewer: Callable[..., Any], qtbot: Any) -> Any:
    """A viewer with a window of 900 pixels height, and a movie of two channels in it."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 900)
    pixels = np.random.default_rng(0).normal(100, 5, (4, 2, 64, 64)).astype(np.float32)
    viewer.add_image(pixels, axis_labels=("t", "c", "y", "x"), name="movie")
    with qtbot.waitExposed(viewer.window._qt_window):
        viewer.window.activate()
    return viewer


@pytest.fixture
def open_dock(shown: Any, qtbot: Any) -> Iterator[Callable[[type], Any]]:
    """Open a dock in that viewer; another one is a tab in front of it."""
    made: list[Dock] = []

    def make(kind: type) -> Any:
        dock = kind(shown)
        shown.window.add_dock_widget(dock, name=kind.__name__)
        made.append(dock)
        # Nothing of it is drawn before the window system has made room for it.
        qtbot.waitUntil(lambda: is_in_sight(dock.form.image.layer.native))
        return dock

    yield make
    for dock in made:
        dock.close_down()


def walk(dock: Any, qtbot: Any) -> list[QWidget]:
    """Press Tab until the dock is left; what had the focus."""
    first = dock.form.image.layer.native
    first.setFocus()
    qtbot.waitUntil(first.hasFocus)
    passed: list[QWidget] = []
    while (widget := QApplication.focusWidget()) is not None and dock.isAncestorOf(widget):
        if widget in passed:
            break
        passed.append(widget)
        QTest.keyClick(widget, Qt.Key.Key_Tab)
    return passed


def center(dock: Any, widget: QWidget) -> QPoint:
    """Where a widget is, wherever the dock is scrolled to: the foot lies below all of the form."""
    middle = widget.rect().center()
    if dock._content.isAncestorOf(widget):
        return widget.mapTo(dock._content, middle)
    return widget.mapTo(dock, middle) + QPoint(0, dock._content.height())


def is_read_before(dock: Any, first: QWidget, second: QWidget) -> bool:
    """Whether one is above the other, or in the same line on its left."""
    one, two = center(dock, first), center(dock, second)
    is_same_line = abs(one.y() - two.y()) < LINE // 2
    return one.x() < two.x() if is_same_line else one.y() < two.y()


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("kind", DOCKS)
def test_tab_reaches_what_is_seen_in_its_order(
    open_dock: Callable[[type], Any], qtbot: Any, kind: type, is_open: bool
) -> None:
    dock = open_dock(kind)
    dock.message.ask("Really?", {"Yes": lambda: None, "No": lambda: None})
    folds = dock.findChildren(Fold)
    for fold in folds:
        (fold.expand if is_open else fold.collapse)()
    qtbot.waitUntil(dock.message.answers["No"].isVisible)
    qtbot.wait(50)  # all are laid out
    passed = walk(dock, qtbot)
    assert all(widget.isVisible() for widget in passed)
    assert all(is_read_before(dock, *pair) for pair in pairwise(passed))
    assert {*dock.message.answers.values()} <= {*passed}
    box = dock.form.image.channels.boxes[0]
    assert (box in passed) == box.isVisible()
    assert dock.form.more.toggleButton() in passed
    assert (dock.form.more.device.combo.native in passed) == is_open


@pytest.mark.parametrize("kind", DOCKS)
def test_no_key_changes_what_is_folded_away(
    open_dock: Callable[[type], Any], qtbot: Any, kind: type
) -> None:
    dock = open_dock(kind)
    more = dock.form.more
    before = more.values()
    in_sight = [getattr(more, name, None) for name in ("minutes", "object_size")]
    shown = [box.native for box in in_sight if box is not None]  # elsewhere, and not folded away
    for _ in range(2):  # folded away from the start, and again
        for widget in walk(dock, qtbot):
            if widget not in shown:
                for key in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Up):
                    QTest.keyClick(widget, key)
        assert more.values() == before
        more.expand()
        more.collapse()


def test_a_fold_opens_by_key(open_dock: Callable[[type], Any]) -> None:
    fold = open_dock(TrainDock).form.more
    inner = fold.device.combo.native
    fold.toggleButton().setFocus()
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
        QTest.keyClick(fold.toggleButton(), key)
        assert fold.isExpanded() and inner.isVisible(), key
        QTest.keyClick(fold.toggleButton(), key)
        assert not fold.isExpanded() and not inner.isVisible(), key


def tabs_beside(dock: Any) -> list[QWidget | None]:
    """The docks that are tabs beside one."""
    return [tab.widget() for tab in dock.window().tabifiedDockWidgets(dock.parent())]


def is_in_sight(widget: QWidget) -> bool:
    """Whether all of a widget is seen."""
    return widget.isVisible() and widget.visibleRegion().boundingRect().size() == widget.size()


@pytest.mark.parametrize("kind", DOCKS)
def test_what_is_waited_for_stays_in_sight(
    open_dock: Callable[[type], Any], qtbot: Any, kind: type
) -> None:
    """At 900 px, with another dock dragged below, wherever the form is scrolled to."""
    docks = open_dock(kind), open_dock(SegmentDock)
    qtbot.waitUntil(lambda: tabs_beside(docks[0]) == [docks[1]])
    window, frames = docks[0].window(), [dock.parent() for dock in docks]
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, frames[1])
    window.resizeDocks(frames, [1, 5], Qt.Orientation.Vertical)
    qtbot.waitUntil(lambda: docks[0].height() < docks[1].height())
    qtbot.wait(50)  # all are laid out
    for dock in docks:
        empty = dock._area.height()
        dock.form.more.expand()
        dock.progress.busy("Preparing")
        dock.message.ask(LONG_TEXT, {"Yes": lambda: None, "No": lambda: None})
        waited_for = [dock.progress, dock.stop_button, dock.message, *dock.message.answers.values()]
        qtbot.waitUntil(lambda parts=waited_for: all(map(is_in_sight, parts)))
        assert dock._area.height() > 40  # and something of the form
        dock.message.clear()
        dock.progress.clear()
        qtbot.waitUntil(lambda dock=dock, empty=empty: dock._area.height() == empty)
        assert not dock.stop_button.isVisible()


def test_a_second_dock_does_not_make_the_first_one_low(
    open_dock: Callable[[type], Any], qtbot: Any
) -> None:
    first = open_dock(TrainDock)
    height = first.height()
    second = open_dock(SegmentDock)
    qtbot.waitUntil(lambda: tabs_beside(first) == [second])
    qtbot.waitUntil(lambda: is_in_sight(second.form.image.layer.native))  # it is in front
    first.parent().raise_()
    qtbot.waitUntil(lambda: is_in_sight(first.form.image.layer.native))
    assert first.height() > height - 2 * LINE  # all but the tabs


def test_a_message_scrolls_only_where_it_is_long(
    open_dock: Callable[[type], Any], qtbot: Any
) -> None:
    dock = open_dock(DenoiseDock)
    bar = dock.message._text.verticalScrollBar()
    dock.message.warn(LONG_TEXT[: len(LONG_TEXT) // 4])
    qtbot.waitUntil(lambda: is_in_sight(dock.message))
    assert bar.maximum() == 0
    dock.message.warn(LONG_TEXT * 4)
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    assert dock._area.height() > dock.height() // 2


# Words of a bar


def written(bar: QProgressBar, qtbot: Any) -> int:
    """How many pixels of a bar have the colour of its words."""
    bar.setStyleSheet("QProgressBar { color: #ff0000; } QProgressBar::chunk { background: gray; }")
    bar.resize(300, 24)
    with qtbot.waitExposed(bar):
        bar.show()
    picture = bar.grab().toImage()
    colors = (picture.pixelColor(x, y) for x in range(300) for y in range(24))
    return sum(color.red() > 200 and color.green() < 100 for color in colors)


@pytest.mark.parametrize("text", ["Preparing", "Stopping", "Segmenting"])
def test_a_bar_without_an_end_has_words(qtbot: Any, text: str) -> None:
    bar = Progress()
    qtbot.addWidget(bar)
    bar.busy("")
    assert written(bar, qtbot) == 0
    bar.busy(text)
    assert written(bar, qtbot) > 20
    bar.tell(0.5, "step 7")
    assert written(bar, qtbot) > 20


class Painted(QObject):
    """Takes down what a bar says when it is drawn."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self.texts: list[str] = []
        bar.installEventFilter(self)

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self.texts.append(watched.format())
        return False


@pytest.mark.parametrize("kind", DOCKS)
def test_the_words_are_there_from_the_click_on(
    open_dock: Callable[[type], Any], qtbot: Any, kind: type
) -> None:
    """They are drawn before anything else is done that may take long."""
    dock = open_dock(kind)
    painted = Painted(dock.progress)

    def is_drawn_at_once() -> bool:
        dock.progress.clear()
        painted.texts.clear()
        dock.progress.busy("Preparing")  # nobody gets back to the event loop here
        return painted.texts == ["Preparing"]

    qtbot.waitUntil(is_drawn_at_once)  # once the window itself is on the screen
