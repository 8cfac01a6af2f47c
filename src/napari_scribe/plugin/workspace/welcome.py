"""Show what a newcomer can do while no image is open."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from ..widgets.basics import button, fill_column, named, stack

LINES = (
    ("1", "Open an image: drag it into the window, or take the sample."),
    ("2", "Segment finds nuclei with the model that ships. Nothing has to be painted."),
    ("3", "Where it is wrong, paint a few objects and press Train: a network learns from them."),
)
SAMPLE_TIP = "Open fluorescent nuclei, 512 x 512, some of them painted already"
FIND_TIP = "Open the sample, and find its nuclei with the model that ships"


class Welcome(QWidget):
    """Teach the way from image to objects in three lines, and take the first step.

    Parameters
    ----------
    open_sample, find_nuclei
        What the buttons do.
    """

    def __init__(self, open_sample: Callable[[], None], find_nuclei: Callable[[], None]) -> None:
        super().__init__()
        self.find_button = button("Find nuclei in the sample", FIND_TIP, find_nuclei, is_main=True)
        self.sample_button = button("Open the sample", SAMPLE_TIP, open_sample)
        lines = [named(f"<b>{number}</b>", _wrapped(text), 14) for number, text in LINES]
        buttons = stack(self.find_button, self.sample_button)
        layout = fill_column(self, *lines, buttons, margins=(8, 12, 8, 8), spacing=8)
        layout.addStretch(1)


def _wrapped(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
