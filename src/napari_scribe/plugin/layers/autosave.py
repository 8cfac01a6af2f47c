"""Keep what is painted in a viewer, a few seconds after each stroke, in a thread."""

from __future__ import annotations

import logging
import os
import threading
import zlib
from dataclasses import dataclass
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
from ...session.autosave import KeptPaint, forget, keep, note_closed
from ...session.painted import write_paint
from .conversion import paint_events
from .managed import TRANSFORMS
from .purpose import is_annotations, is_corrected, is_from_user, note

log = logging.getLogger("napari_scribe")

KEEP_AFTER = 4.0
"""Seconds from a stroke to the file that holds it; strokes until then go into the same file."""
RETRY = 500
"""Milliseconds until what could not be kept yet is tried again."""
PATIENCE = 30.0
"""Seconds that closing waits until the last strokes are on disk."""
CHANGED = -1
"""In the place of a checksum: what was written changed while it was written."""
NOTED = ("purpose", "task", "dimensions", "corrected")
"""What notes on annotations hold that is worth keeping."""


@dataclass
class Watched:
    """Hold what is known about a layer that is watched.

    Parameters
    ----------
    is_painted, is_dirty
        Whether something was painted, and whether some of it may not be on disk.
    file
        Where the paint is saved; None where it goes into the recovery folder.
    on_disk
        Where it was written last, and its checksum then; None where that has not happened.
    """

    is_painted: bool = False
    is_dirty: bool = False
    file: Path | None = None
    on_disk: tuple[Path | None, int] | None = None


class Autosave(QObject):
    """Keep the paint of a viewer on disk, so that a crash loses a few seconds of it at most.

    It watches the layers that a user paints on. There is one for each viewer, which ends with the
    last dock that uses it (`autosave_of`, `release`).

    Signals
    -------
    kept
        Paint was put into the recovery folder.
    failed
        Why paint could not be kept.
    """

    kept = Signal()
    failed = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.users: set[int] = set()
        self._layers: dict[LabelsLayer, Watched] = {}
        self._removed: dict[LabelsLayer, Watched] = {}
        self._thread: threading.Thread | None = None
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._keep_dirty)
        self._settle = QTimer(self, singleShot=True)
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
        if self.users or _autosaves.get(id(self.viewer)) is not self:
            return
        del _autosaves[id(self.viewer)]
        self._later.stop()
        self._settle.stop()
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.flush()
        for layer, watched in self._layers.items():
            self._listen(layer, is_on=False)
            _known[layer] = watched
        self._layers, self._removed = {}, {}

    def flush(self) -> None:
        """Put the last strokes on disk, and note that napari was closed in good order."""
        self._join()
        all_layers = {**self._layers, **self._removed}
        for layer, watched in all_layers.items():
            if watched.is_dirty:
                self._write([self._task(layer, watched)])
            if watched.file is None and watched.on_disk is not None:
                note_closed(key_of(layer))

    def keep_in(self, layer: LabelsLayer, file: Path) -> None:
        """Keep the paint of a layer in a file of the user's from now on, as that of a project."""
        if (watched := self._layers.get(layer)) is not None:
            watched.file = file
            self._mark(layer)

    def is_kept_in_file(self, layer: LabelsLayer) -> bool:
        """Return whether the paint of a layer is kept in a file of the user's."""
        watched = self._layers.get(layer)
        return watched is not None and watched.file is not None

    # ---- what is painted -------------------------------------------------------------------------

    def _watch(self, layer: Layer) -> None:
        if not can_be_kept(layer) or layer in self._layers:
            return
        self._layers[layer] = _known.pop(layer, Watched())
        self._listen(layer, is_on=True)
        is_made_here = layer.source.path is None and layer.source.sample is None
        if is_made_here and is_annotations(layer):
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
            self._settle.start(0)

    def _forget_removed(self) -> None:
        """Forget layers that the user has removed."""
        if is_closed(self.viewer):
            self.flush()
            return
        if self._is_writing:
            self._settle.start(RETRY)
            return
        for layer, watched in self._removed.items():
            if watched.file is None and layer not in self.viewer.layers:
                forget(key_of(layer))
        self._removed = {}

    def _on_paint(self, event: Event) -> None:
        self._mark(event.source)

    def _on_undone(self, event: Event) -> None:
        """Look again at a layer that was painted before: nothing else tells of Undo."""
        watched = self._layers.get(event.source)
        if watched is not None and watched.is_painted:
            self._mark(event.source)

    def _mark(self, layer: LabelsLayer) -> None:
        if layer in self._layers and can_be_kept(layer):
            watched = self._layers[layer]
            watched.is_painted = watched.is_dirty = True
            if not self._later.isActive():
                self._later.start(int(1000 * KEEP_AFTER))

    # ---- to disk ---------------------------------------------------------------------------------

    def _keep_dirty(self) -> None:
        """Write what was painted, in a thread."""
        if self._is_writing:
            self._later.start(RETRY)
            return
        dirty = [(layer, w) for layer, w in self._layers.items() if w.is_dirty]
        tasks = [self._task(layer, watched) for layer, watched in dirty]
        self._thread = threading.Thread(target=self._write, args=(tasks,))
        self._thread.start()

    def _task(self, layer: LabelsLayer, watched: Watched) -> Task:
        watched.is_dirty = False
        return Task(layer.data, described(self.viewer, layer), place_in(layer), watched)

    @property
    def _is_writing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _write(self, tasks: list[Task]) -> None:
        """Write paint, and tell what could not be written; called in the thread."""
        for task in tasks:
            try:
                if write(task) and task.watched.file is None:
                    self.kept.emit()
            except (OSError, ValueError, MemoryError) as error:
                task.watched.is_dirty = True
                reason = str(error) or "there is not enough memory."
                log.warning("Paint could not be kept: %s", reason)
                self.failed.emit(f"Paint could not be kept against a crash: {reason}")


@dataclass
class Task:
    """Hold what is written of a layer: its data as they are, which may change meanwhile."""

    data: Pixels
    kept: KeptPaint
    place: dict[str, dict[str, Any]]
    watched: Watched


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
    is_users = is_from_user(layer) or is_corrected(layer)
    return is_users and isinstance(layer.data, np.ndarray) and not isinstance(layer.data, np.memmap)


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
        image_path="" if source is None else file_of(source),
        reader=str((source and source.source.reader_plugin) or ""),
        shape=tuple(int(n) for n in layer.data.shape),
        layer=transforms_of(layer),
        noted={name: entries[name] for name in NOTED if name in entries},
    )


def file_of(layer: Layer) -> str:
    """Return the file that a layer was read from; empty where there is none."""
    path = layer.source.path or ""
    return os.path.abspath(path) if os.path.exists(path) else path


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


def write(task: Task) -> bool:
    """Write paint, unless it is on disk already or nothing was ever painted; return whether."""
    watched, file = task.watched, task.watched.file
    state = file, _checksum(task.data)
    is_new = watched.on_disk is None and file is None
    if state == watched.on_disk or (is_new and not task.data.any()):
        return False
    if file is None:
        keep(task.kept, task.data)
    else:
        write_paint(file, task.data, **task.place)
        if watched.on_disk is None or watched.on_disk[0] != file:
            forget(task.kept.key)
    # Where somebody has painted meanwhile, the file may hold either, and is written again.
    is_same = _checksum(task.data) == state[1]
    watched.on_disk = state if is_same else (file, CHANGED)
    return True


def _checksum(data: Pixels) -> int:
    """Return a checksum of an array, read plane by plane."""
    check = 0
    for index in np.ndindex(data.shape[:-2]):
        check = zlib.crc32(np.ascontiguousarray(data[index]).data, check)
    return check
