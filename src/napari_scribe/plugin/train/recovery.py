"""Offer paint that was not saved: after a crash at once, else where its image is opened again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.utils.events import Event
from qtpy.QtCore import QTimer

from ...errors import InputError
from ...session.autosave import KeptPaint, forget, left_behind, read_kept, rename
from ..layers.autosave import key_of
from ..layers.conversion import note
from ..layers.restore import find_image, lay_as_saved, show_paint
from ..widgets.feedback import Message

LOOK_AFTER = 100
"""Milliseconds after which new layers are looked at: images and their paint come together."""

ANNOTATIONS = "annotations"
TIPS = {
    "Restore": "Show the paint on its image, which is opened where that is possible",
    "Discard": "Delete this paint for good",
    "Not now": "Ask again the next time",
}


class RecoveryOffer(Message):
    """Ask, one after the other, whether paint that was not saved is wanted back."""

    def __init__(self, viewer: Viewer, colors: dict[str, str]) -> None:
        super().__init__(colors)
        self._viewer = viewer
        self._put_off: set[str] = set()
        self._soon = QTimer(self, interval=LOOK_AFTER, singleShot=True)
        self._soon.timeout.connect(self.look)
        viewer.layers.events.inserted.connect(self._on_inserted)
        self._soon.start()

    def close_down(self) -> None:
        """Let go of the viewer; the timer ends with the dock."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    def look(self) -> None:
        """Ask about the first paint that there is to ask about; hide where there is none."""
        kept = next(wanted_back(self._viewer, self._put_off), None)
        if kept is None:
            self.clear()
            return
        later = partial(self._put_off.add, kept.key)
        answers = {
            "Restore": partial(self._restore, kept),
            "Discard": partial(forget, kept.key),
            "Not now": later,
        }
        then: dict[str, Callable[[], None]] = {
            name: partial(self._then, kept, answer) for name, answer in answers.items()
        }
        self.ask(in_words(kept), then)
        for name, tip in TIPS.items():
            self.answers[name].setToolTip(tip)

    def _then(self, kept: KeptPaint, answer: Callable[[], object]) -> None:
        """Do what was answered, and look for more; what fails is told, and asked no more."""
        try:
            answer()
        except (InputError, OSError) as error:
            self._put_off.add(kept.key)
            self.ask(str(error), {"OK": self._soon.start})
        else:
            self._soon.start()

    def _restore(self, kept: KeptPaint) -> None:
        """Show paint again on its image, which is opened where that is needed and possible."""
        paint = read_kept(kept)
        image = find_image(self._viewer, kept) or self._opened(kept)
        rename(kept, key_of(show_paint(self._viewer, image, kept, paint)))

    def _opened(self, kept: KeptPaint) -> ImageLayer | None:
        """Open the image that was painted; None where that cannot be done."""
        if not os.path.exists(kept.image_path):
            return None
        with suppress(Exception):  # every reader has its own; the paint is shown without the image
            self._viewer.open(kept.image_path, plugin=kept.reader or "napari")
        image = find_image(self._viewer, kept)
        if image is not None:
            lay_as_saved(image, kept)
        return image

    def _on_inserted(self, event: Event) -> None:
        if isinstance(event.value, ImageLayer | LabelsLayer):
            self._soon.start()


def wanted_back(viewer: Viewer, put_off: Collection[str] = ()) -> Iterator[KeptPaint]:
    """Yield what napari held that crashed, and what images in sight lack that were painted.

    Annotations and corrected results are told apart: an image that has one of them may lack the
    other.

    Parameters
    ----------
    put_off
        Keys of what is not asked about again.
    """
    shown = {key_of(layer) for layer in viewer.layers}.union(put_off)
    for kept in left_behind():
        if kept.key in shown:
            continue
        image = find_image(viewer, kept)
        is_lacking = image is not None and not any(
            note(layer).get("purpose") == _purpose(kept) and note(layer).get("source") == image.name
            for layer in viewer.layers
        )
        if is_lacking or not kept.is_closed:
            yield kept


def in_words(kept: KeptPaint) -> str:
    """Say what was not saved, of which image, and when it was drawn."""
    name, when = kept.image or kept.name, _moment(kept.when)
    if _purpose(kept) == ANNOTATIONS:
        return f"Annotations of {name} from {when} were not saved."
    return f"The corrected result of {name} from {when} was not saved."


def _purpose(kept: KeptPaint) -> str:
    return str(kept.noted.get("purpose", ANNOTATIONS))


def _moment(when: float) -> str:
    """Return a time of today as in "14:32", else with its day."""
    moment, today = time.localtime(when), time.localtime()
    is_today = moment[:3] == today[:3]
    return time.strftime("%H:%M" if is_today else "%d %b %Y, %H:%M", moment)
