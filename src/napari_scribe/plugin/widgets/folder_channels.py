"""Ask which image of each file in a folder is used, and which of its channels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ...errors import InputError
from ...io import list_images, list_series, read_image
from ..model_library import channels_of, channels_to_tick, names_of_channels
from .basics import Column, Hint, named
from .inputs import Choice, narrow
from .layer_pickers import ChannelPicker

MOST_TRIED = 5
"""Images that are tried. Where none of them can be read, no other will be."""


class FolderChannels(Column):
    """Ask for an image where files hold several, and for channels where a model needs them."""

    def __init__(self) -> None:
        self.needs, self.picker, self.series = Hint(), ChannelPicker(), SeriesPicker()
        self._n = self._needed = 0
        self._shown_for: tuple[Path | None, Path | None] = None, None
        self.series.changed.connect(lambda: self.follow(*self._shown_for))
        super().__init__(self.series, self.needs, self.picker)
        self.hide()

    def follow(self, folder: Path | None, model: Path | None) -> None:
        """Ask about the first image of a folder, and what the model needs of it."""
        self._shown_for = folder, model
        self.series.offer(_of_first_image(list_series, folder))
        names = _of_first_image(_channel_names, folder, self.series.value())
        self._n = len(names)
        text = "" if model is None or not names else channels_to_tick(model, self._n)
        self._needed = channels_of(model)[0] if model is not None and text else 0
        self.needs.setText(text)
        self.picker.show_channels(names if text else [])
        self.visible = bool(text) or self.series.is_offered

    def value(self) -> tuple[list[int] | None, int]:
        """Return the ticked channels, None where there is no choice, and of how many.

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


class SeriesPicker(Column):
    """Offer the images that the files of a folder hold; hidden where they hold one."""

    def __init__(self) -> None:
        self._images: list[str] = []
        tip = "Each file of this folder holds several images: which is segmented"
        self.combo = Choice(self._choices, tip)
        narrow(self.combo.native)
        super().__init__(named("In each file", self.combo))
        self.combo.changed.connect(lambda: self.changed.emit(self))
        self.hide()

    @property
    def is_offered(self) -> bool:
        """Return whether there are several images."""
        return len(self._images) > 1

    def offer(self, images: list[str]) -> None:
        """Offer some images; the same number stays chosen."""
        if images != self._images:
            self._images = images
            with self.combo.changed.blocked():
                self.combo.reset_choices()
            self.visible = self.is_offered

    def value(self) -> int:
        """Return which image is chosen, counted from 0."""
        return int(self.combo.value or 0)

    def _choices(self) -> list[tuple[str, int]]:
        texts = [f"{i}: {words}" for i, words in enumerate(self._images)]
        return [(text, i) for i, text in enumerate(texts)] if self.is_offered else []


def _channel_names(path: Path, series: int) -> list[str]:
    return names_of_channels(read_image(path, series=series))


def _of_first_image(
    read: Callable[..., list[str]], folder: Path | None, *options: int
) -> list[str]:
    """Return what is read of the first image in a folder that can be read; nothing if none can."""
    if folder is None:
        return []
    try:
        return list(_read_once(read, folder, folder.stat().st_mtime_ns, *options))
    except OSError:
        return []


@lru_cache(16)
def _read_once(
    read: Callable[..., list[str]], folder: Path, _changed: int, *options: int
) -> list[str]:
    """Read once for each state of a folder: forms ask at each keystroke."""
    paths: list[Path] = []
    with suppress(InputError):
        paths = list_images(folder)[:MOST_TRIED]
    for path in paths:
        with suppress(InputError):
            return read(path, *options)
    return []
