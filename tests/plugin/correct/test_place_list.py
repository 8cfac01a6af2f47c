"""The list of doubtful places: gone through by mouse and keys, ticked."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribe.plugin.correct.place_list import PlaceList


def test_places_are_gone_to_and_ticked_by_mouse_and_keys(qtbot: Any) -> None:
    places = PlaceList("Places")
    qtbot.addWidget(places)
    chosen: list[int] = []
    ticked: list[list[bool]] = []
    places.chosen.connect(chosen.append)
    places.ticked.connect(lambda: ticked.append(places.done))
    places.show_lines([("first", "of all"), ("second", ""), ("third", "")])
    places.show()
    qtbot.waitExposed(places)
    assert places.texts == ["first", "second", "third"] and places.item(0).toolTip() == "of all"
    assert (chosen, ticked, places.currentRow()) == ([], [], -1)

    line = places.visualItemRect(places.item(1))
    QTest.mouseClick(places.viewport(), Qt.MouseButton.LeftButton, pos=line.center())
    QTest.keyClick(places, Qt.Key.Key_Down)
    assert chosen == [1, 2]
    QTest.keyClick(places, Qt.Key.Key_Space)
    assert ticked == [[False, False, True]]
    QTest.keyClick(places, Qt.Key.Key_Space)
    places.tick(0)
    assert ticked[1:] == [[False, False, False], [True, False, False]]
    assert chosen == [1, 2]

    places.show_lines([("other", "")])
    assert (places.texts, places.done, places.currentRow()) == (["other"], [False], -1)
    assert len(ticked) == 3 and chosen == [1, 2]
