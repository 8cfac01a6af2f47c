"""The box for the size of objects."""

from __future__ import annotations

from typing import Any

import pytest

from napari_scribe.plugin.widgets.object_size import ObjectSizePicker

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def picker() -> ObjectSizePicker:
    return ObjectSizePicker("automatic", "Diameter")


def test_no_size_is_chosen_at_first(picker: ObjectSizePicker) -> None:
    assert picker.value() is None
    assert picker.box.native.text() == "automatic"


def test_what_was_measured_is_shown_and_stays_no_choice(picker: ObjectSizePicker) -> None:
    picker.show_measured(31.4159)
    assert picker.box.native.text() == "~ 31.4 px"
    assert picker.value() is None
    assert picker.known() == pytest.approx(31.4159)
    picker.show_measured(None)
    assert picker.box.native.text() == "automatic"
    assert picker.known() is None


def test_a_chosen_size_comes_first(picker: ObjectSizePicker) -> None:
    heard: list[Any] = []
    picker.changed.connect(heard.append)
    picker.show_measured(31.0)
    picker.box.value = 60.5
    assert (picker.value(), picker.known()) == (60.5, 60.5)
    assert picker.box.native.text() == "60.5 px"
    assert len(heard) == 2
    picker.set_value(None)
    assert (picker.value(), picker.known()) == (None, 31.0)


def test_the_first_step_up_goes_to_what_was_measured(picker: ObjectSizePicker) -> None:
    picker.box.native.stepUp()
    assert picker.value() == 1
    picker.set_value(None)
    picker.show_measured(31.0)
    picker.box.native.stepUp()
    assert picker.value() == 31
    picker.box.native.stepUp()
    assert picker.value() == 32


def test_the_circle_is_that_of_the_size(picker: ObjectSizePicker) -> None:
    assert picker.drawn() is None
    assert not picker.circle.enabled  # there is nothing to draw
    picker.circle.value = True
    assert picker.drawn() is None
    picker.show_measured(31.0)
    assert picker.circle.enabled
    assert picker.drawn() == 31
    picker.box.value = 20
    assert picker.drawn() == 20
    picker.circle.value = False
    assert picker.drawn() is None
