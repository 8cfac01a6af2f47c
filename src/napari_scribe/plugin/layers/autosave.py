"""Keep what is painted in a viewer, a few seconds after each stroke, in a thread."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication

from ...arrays import Pixels
from ...session.autosave import KeptPaint, forget, keep, note_closed, write_paint
from .conversion import note, paint_events
from .managed import TRANSFORMS

log = logging.getLogger("napari_scribe")

KEEP_AFTER = 4.0
"""Seconds from a stroke to the file that holds it; strokes until then go into the same file."""
RETRY = 500
"""Milliseconds until what could not be kept yet is tried again."""
PATIENCE = 30.0
"""Seconds that closing waits until the last strokes are on disk."""
NOTED = ("task", "dimensions")
"""What notes on annotations hold that is worth keeping."""


@dataclass
class Watched:
    """Hold what is known about a layer that is watched.

    Parameters
    ----------
    is_dirty
        Whether something was painted that is not on disk.
    check
        Checksum of what is on disk; None where nothing is.
    file
        Where the paint is saved; None where it goes into the recovery folder.
    """

    is_dirty: bool = False
    check: int | None = None
    file: Path | None = None


class Autosave(QObject):
    """Keep the paint of a viewer on disk, so that a crash loses a few seconds of it at most.

    It watches the layers that a user paints on. There is one for each viewer, which ends with the
    last dock that uses it (`autosave_of`, `release`).

    Signals
    -------
    failed
        Why paint could not be kept.
    """

    failed = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.users: set[int] = set()
        self._layers: dict[LabelsLayer, Watched] = {}
        self._removed: dict[LabelsLayer, Watched] = {}
        self._thread: threading.Thread | None = None
        self._later = QTimer(self, interval=int(1000 * KEEP_AFTER), singleShot=True)
        self._later.timeout.connect(self._keep_dirty)
        self._settle = QTimer(self, interval=0, singleShot=True)
        self._settle.timeout.connect(self._forget_removed)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._watch(layer)
        application = QApplication.instance()
        assert application is not None
        application.aboutToQuit.connect(self.flush)

    # ---- what others call ------------------------------------------------------------------------

    def release(self, user: int) -> None:
        """Let go of the viewer, once the last dock does; what is painted is on disk then."""
        self.users.discard(user)
        if self.users or _autosaves.pop(id(self.viewer), None) is None:
            return
        self._later.stop()
        self._settle.stop()
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.flush()
        for layer, watched in {**self._layers, **self._removed}.items():
            self._listen(layer, is_on=False)
            _known[layer] = watched
        self._layers, self._removed = {}, {}

    def flush(self) -> None:
        """Put the last strokes on disk, and note that napari was closed in good order."""
        self._join()
        all_layers = {**self._layers, **self._removed}
        for layer, watched in all_layers.items():
            if watched.is_dirty:
                _keep(self._task(layer, watched), self._fail)
            if watched.file is None and watched.check is not None:
                note_closed(key_of(layer))

    def saved(self, layer: LabelsLayer, file: Path | None = None) -> None:
        """Take note that the user's work on a layer is saved.

        Parameters
        ----------
        file
            Where the paint is kept from now on; None where it is kept in the recovery folder again.
        """
        watched = self._layers.get(layer)
        if watched is None:
            return
        self._join()
        watched.is_dirty, watched.file = False, file
        watched.check = None if file is None else _checksum(layer.data)
        forget(key_of(layer))

    # ---- what is painted -------------------------------------------------------------------------

    def _watch(self, layer: Layer) -> None:
        if not can_be_kept(layer) or layer in self._layers:
            return
        self._layers[layer] = _known.pop(layer, Watched())
        self._listen(layer, is_on=True)
        is_made_here = layer.source.path is None and layer.source.sample is None
        if is_made_here and note(layer).get("purpose") == "annotations":
            self._mark(layer)

    def _listen(self, layer: LabelsLayer, *, is_on: bool) -> None:
        for event in paint_events(layer):
            (event.connect if is_on else event.disconnect)(self._on_paint)
        undone = layer.events.set_data
        (undone.connect if is_on else undone.disconnect)(self._on_undone)

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Event) -> None:
        """Stop watching a layer; whether the viewer is closed, too, is seen a moment later."""
        watched = self._layers.pop(event.value, None)
        if watched is not None:
            self._listen(event.value, is_on=False)
            self._removed[event.value] = watched
            self._settle.start()

    def _forget_removed(self) -> None:
        """Forget layers that the user has removed."""
        if is_closed(self.viewer):
            self.flush()
            return
        self._join()
        for layer, watched in self._removed.items():
            if watched.file is None and layer not in self.viewer.layers:
                forget(key_of(layer))
        self._removed = {}

    def _on_paint(self, event: Event) -> None:
        self._mark(event.source)

    def _on_undone(self, event: Event) -> None:
        """Look again at a layer that was painted before: nothing else tells of Undo."""
        if self._layers[event.source].check is not None:
            self._mark(event.source)

    def _mark(self, layer: LabelsLayer) -> None:
        if layer in self._layers and can_be_kept(layer):
            self._layers[layer].is_dirty = True
            if not self._later.isActive():
                self._later.start(int(1000 * KEEP_AFTER))

    # ---- to disk ---------------------------------------------------------------------------------

    def _keep_dirty(self) -> None:
        """Write what was painted, in a thread."""
        if self._thread is not None and self._thread.is_alive():
            self._later.start(RETRY)
            return
        dirty = [(layer, w) for layer, w in self._layers.items() if w.is_dirty]
        tasks = [self._task(layer, watched) for layer, watched in dirty]
        self._thread = threading.Thread(target=_keep_all, args=(tasks, self._fail))
        self._thread.start()

    def _task(self, layer: LabelsLayer, watched: Watched) -> Task:
        watched.is_dirty = False
        return Task(layer.data, described(self.viewer, layer), place_in(layer), watched)

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _fail(self, watched: Watched, reason: str) -> None:
        """Tell why paint could not be kept; called in the thread."""
        watched.is_dirty = True
        log.warning("Paint could not be kept: %s", reason)
        self.failed.emit(f"Paint could not be kept against a crash: {reason}")


@dataclass
class Task:
    """Hold what is written of a layer: its data as they are, which may change meanwhile."""

    data: Pixels
    kept: KeptPaint
    place: dict[str, dict[str, Any]]
    watched: Watched


Fail = Callable[[Watched, str], None]
_autosaves: dict[int, Autosave] = {}
"""That of each viewer, by the viewer's id."""
_known: WeakKeyDictionary[LabelsLayer, Watched] = WeakKeyDictionary()
"""What is known about layers that no dock watches now."""


def autosave_of(viewer: Viewer, user: int) -> Autosave:
    """Return what keeps the paint of a viewer.

    Parameters
    ----------
    user
        The id of a dock, which calls `Autosave.release` in the end.
    """
    if (autosave := _autosaves.get(id(viewer))) is None:
        autosave = _autosaves[id(viewer)] = Autosave(viewer)
    autosave.users.add(user)
    return autosave


def is_closed(viewer: Viewer) -> bool:
    """Return whether a viewer was closed; its layers are removed a moment before."""
    return not hasattr(viewer.window, "_qt_window")


def can_be_kept(layer: Layer) -> bool:
    """Return whether a layer holds labels in memory that are the user's own, and no result."""
    if not isinstance(layer, LabelsLayer) or layer.multiscale or not 2 <= layer.ndim <= 5:
        return False
    purpose = str(note(layer).get("purpose", "annotations"))
    is_users = purpose == "annotations" or purpose.startswith("corrected")
    return is_users and isinstance(layer.data, np.ndarray) and not isinstance(
        layer.data, np.memmap
    )


def key_of(layer: Layer) -> str:
    """Return a name for a layer that no other has."""
    return str(layer.unique_id)


def described(viewer: Viewer, layer: LabelsLayer) -> KeptPaint:
    """Describe the paint of a layer, and the image that was painted."""
    entries = note(layer)
    image = str(entries.get("source", ""))
    source = next((i for i in viewer.layers if i.name == image and isinstance(i, ImageLayer)), None)
    return KeptPaint(
        key=key_of(layer),
        name=layer.name,
        image=image,
        image_path=str((source and source.source.path) or ""),
        reader=str((source and source.source.reader_plugin) or ""),
        shape=tuple(int(n) for n in layer.data.shape),
        layer=transforms_of(layer),
        noted={name: entries[name] for name in NOTED if name in entries},
    )


def transforms_of(layer: Layer) -> dict[str, Any]:
    """Return where a layer lies, as JSON can hold it and napari takes it."""
    arrays = {name: getattr(layer, name) for name in TRANSFORMS}
    arrays["affine"] = layer.affine.affine_matrix
    return {
        **{name: np.asarray(value).tolist() for name, value in arrays.items()},
        "units": [str(unit) for unit in layer.units],
        "axis_labels": list(layer.axis_labels),
    }


def place_in(layer: LabelsLayer) -> dict[str, dict[str, Any]]:
    """Return size and unit of a pixel by axis letter, for a file."""
    axes = "TCZYX"[-layer.ndim :]
    return {
        "scale": dict(zip(axes, map(float, layer.scale), strict=True)),
        "units": dict(zip(axes, map(str, layer.units), strict=True)),
    }


def _keep_all(tasks: list[Task], fail: Fail) -> None:
    for task in tasks:
        _keep(task, fail)


def _keep(task: Task, fail: Fail) -> None:
    """Write paint, unless it is on disk already or nothing was ever painted."""
    watched = task.watched
    try:
        check = _checksum(task.data)
        is_empty = watched.check is None and not task.data.any()
        if check == watched.check or is_empty:
            return
        if watched.file is None:
            keep(task.kept, task.data)
        else:
            write_paint(watched.file, task.data, **task.place)
        watched.check = check
    except (OSError, ValueError, MemoryError) as error:
        fail(watched, str(error) or "there is not enough memory.")


def _checksum(data: Pixels) -> int:
    """Return a checksum of an array, read plane by plane."""
    check = 0
    for index in np.ndindex(data.shape[:-2]):
        check = zlib.crc32(np.ascontiguousarray(data[index]).data, check)
    return check
