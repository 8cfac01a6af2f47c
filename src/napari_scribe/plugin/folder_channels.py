"""Which channels of the images in a folder are used."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..errors import InputError
from ..io import as_image, list_images
from .kept import channels_of, channels_to_tick
from .parts import hint
from .pickers import ChannelPicker, names_of_channels

LOOKED_AT = 5
"""So many images are tried: one of them can be read, or nobody wants the folder."""


class FolderChannels(QWidget):
    """A choice of channels, where a model needs other ones than images of a folder have."""

    def __init__(self) -> None:
        super().__init__()
        self.needs, self.picker = hint(), ChannelPicker()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.needs)
        layout.addWidget(self.picker)
        self._n = self._needed = 0
        self.hide()

    def follow(self, folder: Path | None, model: Path | None) -> None:
        """Look at the first image of a folder, and at the model."""
        names = [] if folder is None or model is None else channels_in(folder)
        self._n = len(names)
        text = "" if model is None or not names else channels_to_tick(model, self._n)
        self._needed = channels_of(model)[0] if model is not None and text else 0
        self.needs.setText(text)
        self.picker.show_channels(names if text else [])
        self.setVisible(bool(text))

    def value(self) -> tuple[list[int] | None, int]:
        """The ticked channels, None where there is no choice, and of how many.

        Raises
        ------
        InputError
            If fewer or more are ticked than the model needs.
        """
        if not self._needed:
            return None, self._n
        ticked = self.picker.value()
        if ticked is None or len(ticked) != self._needed:
            raise InputError(self.needs.text())
        return ticked, self._n


def channels_in(folder: Path) -> list[str]:
    """Names of the channels of the first image in a folder that can be read."""
    try:
        return list(_channels_in(folder, folder.stat().st_mtime_ns))
    except OSError:
        return []


@lru_cache(8)
def _channels_in(folder: Path, _changed: int) -> tuple[str, ...]:
    """In a folder as it was when it was changed last: forms ask at each keystroke."""
    paths: list[Path] = []
    with suppress(InputError):
        paths = list_images(folder)[:LOOKED_AT]
    for path in paths:
        with suppress(InputError):
            return tuple(names_of_channels(as_image(path)))
    return ()
