"""Which of several images in the files of a folder, and which of their channels, are used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from ...errors import InputError
from ...io import list_images, list_series, read_image
from ..model_library import channels_of, channels_to_tick
from .basics import hint, named, narrow
from .layer_pickers import ChannelPicker, names_of_channels

LOOKED_AT = 5
"""So many images are tried: one of them can be read, or nobody wants the folder."""


class FolderChannels(QWidget):
    """A choice of the image where files hold several, and of channels where a model needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.needs, self.picker, self.series = hint(), ChannelPicker(), SeriesPicker()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.series)
        layout.addWidget(self.needs)
        layout.addWidget(self.picker)
        self._n = self._needed = 0
        self._followed: tuple[Path | None, Path | None] = None, None
        self.series.changed.connect(lambda: self.follow(*self._followed))
        self.hide()

    def follow(self, folder: Path | None, model: Path | None) -> None:
        """Look at the first image of a folder, and at the model."""
        self._followed = folder, model
        self.series.offer([] if folder is None else series_in(folder))
        series = self.series.value()
        names = [] if folder is None or model is None else channels_in(folder, series)
        self._n = len(names)
        text = "" if model is None or not names else channels_to_tick(model, self._n)
        self._needed = channels_of(model)[0] if model is not None and text else 0
        self.needs.setText(text)
        self.picker.show_channels(names if text else [])
        self.setVisible(bool(text) or self.series.is_offered)

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


class SeriesPicker(QWidget):
    """A choice among the images that the files of a folder hold; hidden where they hold one.

    Signals
    -------
    changed
        Another image.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.combo = QComboBox()
        self.combo.setToolTip("Each file of this folder holds several images: which is segmented")
        narrow(self.combo)
        self.is_offered = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(named("In each file", self.combo, width=78))
        self.combo.currentIndexChanged.connect(lambda _i: self.changed.emit())
        self.hide()

    def offer(self, images: list[str]) -> None:
        """Offer some images; the place of the chosen one stays."""
        texts = [f"{i}: {words}" for i, words in enumerate(images)] if len(images) > 1 else []
        if texts != [self.combo.itemText(i) for i in range(self.combo.count())]:
            before = self.value()
            with QSignalBlocker(self.combo):
                self.combo.clear()
                self.combo.addItems(texts)
                self.combo.setCurrentIndex(before if before < len(texts) else 0)
        self.is_offered = bool(texts)
        self.setVisible(self.is_offered)

    def value(self) -> int:
        """Which image, from 0."""
        return max(0, self.combo.currentIndex())


def channels_in(folder: Path, series: int = 0) -> list[str]:
    """Names of the channels of the first image in a folder that can be read."""
    return list(_of_first(_channels, folder, series))


def series_in(folder: Path) -> list[str]:
    """The images in the first file of a folder that can be read, in a few words each."""
    return list(_of_first(_series, folder, 0))


def _channels(path: Path, series: int) -> list[str]:
    return names_of_channels(read_image(path, series=series))


def _series(path: Path, _series: int) -> list[str]:
    return list_series(path)


Look = Callable[[Path, int], list[str]]


def _of_first(look: Look, folder: Path, series: int) -> tuple[str, ...]:
    """What is found in the first image of a folder that can be read; nothing if none can."""
    try:
        return _looked_up(look, folder, series, folder.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(16)
def _looked_up(look: Look, folder: Path, series: int, _changed: int) -> tuple[str, ...]:
    """In a folder as it was when it was changed last: forms ask at each keystroke."""
    paths: list[Path] = []
    with suppress(InputError):
        paths = list_images(folder)[:LOOKED_AT]
    for path in paths:
        with suppress(InputError):
            return tuple(look(path, series))
    return ()
