"""The live plot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

COLORS = {"background": "#000000", "text": "#ffffff", "icon": "#cccccc", "highlight": "#888888"}


@pytest.fixture
def curves(qtbot: Any) -> Any:
    from napari_scribe.plugin.widgets.curves import Curves

    made = Curves(COLORS)
    qtbot.addWidget(made)
    made.resize(300, 150)
    made.show()
    return made


def drawn(curves: Any, color: str) -> int:
    """How many pixels have about this colour."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    pixels = np.asarray(curves.buffer_rgba())[..., :3].astype(int)
    return int((np.abs(pixels - rgb).max(axis=-1) < 40).sum())


def test_both_curves_are_drawn(curves: Any, qtbot: Any) -> None:
    from napari_scribe.plugin.widgets.curves import VALIDATION

    def named() -> list[str]:
        return [text.get_text() for text in curves.axes.get_legend().get_texts()]

    qtbot.wait(50)
    before = drawn(curves, VALIDATION)
    assert named() == []
    curves.add(0, 1.0, None)
    curves.redraw()
    assert named() == ["training"]
    curves.clear()
    for i in range(40):
        curves.add(i, 1 / (i + 1), 0.5 if i % 10 == 0 else None)
    curves.redraw()
    qtbot.wait(50)
    assert drawn(curves, VALIDATION) > before + 50
    assert len(curves.course.steps) == 40
    assert named() == ["training", "held-out paint"]
    assert curves.course.validation[-1] == (30, 0.5)
    assert curves.axes.get_xlabel() == "step"
    assert curves.axes.get_ylabel() == "loss"


def test_limits_hold_everything_and_seldom_change(curves: Any) -> None:
    seen = set()
    for i in range(3000):
        curves.add(i, 3.0, None)
        curves.redraw()
        assert curves._limits[0] >= i
        assert curves._limits[1] >= 3
        seen.add(curves._limits)
    assert len(seen) < 15
    assert len(curves.course.steps) <= 800


def test_what_is_no_number_is_left_out(curves: Any) -> None:
    curves.add(1, float("nan"), float("inf"))
    curves.redraw()
    assert curves.course.steps == curves.course.validation == []
    curves.add(2, 0.0, 0.0)
    curves.redraw()


def test_clear_begins_anew(curves: Any) -> None:
    curves.add(1, 1.0, 1.0)
    curves.clear()
    assert curves.course.steps == curves.course.validation == []


def test_the_best_step_is_ringed(curves: Any, qtbot: Any) -> None:
    for step, loss in ((5, 0.6), (10, 0.3), (15, 0.4)):
        curves.add(step, 1.0, loss, 5 if step == 5 else 10)
        curves.redraw()
    assert curves._lines[2].get_xydata().tolist() == [[10, 0.3]]
    assert [t.get_text() for t in curves.axes.get_legend().get_texts()][-1] == "best, kept"
    curves.add(20, 1.0, 0.5, None)  # nothing is held out any more
    curves.redraw()
    assert not len(curves._lines[2].get_xydata())


def test_another_training_is_shown_and_goes_on(curves: Any) -> None:
    curves.add(1, 1.0, 0.5, 1)
    before = curves.course
    curves.clear()
    curves.add(1, 3.0, 0.9, 1)
    curves.show_course(before)
    assert curves._lines[1].get_xydata().tolist() == [[1, 0.5]]
    curves.add(2, 1.0, 0.4, 2)
    assert (before.steps, before.best) == ([1, 2], 2)
