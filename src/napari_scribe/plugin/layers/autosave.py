"""Keep what is painted in a viewer, a few seconds after each stroke, in a thread."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.events import Event, EventEmitter
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication

from ...arrays import Pixels
from ...session.autosave import KeptPaint, forget, keep, note_closed
from ...session.painted import PaintedLayer, write_paint
from .complete_regions import is_regions
from .conversion import paint_events
from .painted import can_be_kept, described, key_of, place_in
from .purpose import ANNOTATIONS, add_note, is_annotations, layers_of, made_of, source_of

log = logging.getLogger("napari_scribe")

KEEP_AFTER = 4.0
"""Seconds from a stroke to the file that holds it; strokes until then go into the same file."""
RETRY = 500
"""Milliseconds until what could not be kept yet is tried again."""
PATIENCE = 30.0
"""Seconds that closing waits until the last strokes are on disk."""
CHANGED = -1
"""In the place of a checksum: what was written changed while it was written."""


class Written(NamedTuple):
    """Hold what was written of a layer.

    Parameters
    ----------
    file
        As in `Watched`.
    checksum
        That of the paint.
    kept
        What the paint was for.
    """

    file: Path | None
    checksum: int
    kept: KeptPaint


@dataclass
class Watched:
    """Hold what is known about a layer that is watched.

    Parameters
    ----------
    is_painted, is_dirty
        Whether something was painted, and whether some of it may not be on disk.
    file
        Where the paint is saved; None where it goes into the recovery folder.
    note
        Takes what the paint is for where it is saved in a file; called in a thread.
    kept
        What the paint was for when that was looked at last.
    on_disk
        What was written last; None where nothing was.
    """

    is_painted: bool = False
    is_dirty: bool = False
    file: Path | None = None
    note: Callable[[PaintedLayer], None] | None = None
    kept: KeptPaint | None = None
    on_disk: Written | None = None


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
        application = QApplication.instance()
        assert application is not None
        super().__init__(application)  # without a parent, PySide may delete it before the docks
        self.viewer = viewer
        self.users: set[int] = set()
        self._layers: dict[LabelsLayer, Watched] = {}
        self._removed: dict[LabelsLayer, Watched] = {}
        self._gone: list[Layer] = []  # since a moment, as all are where the viewer is closed
        self._thread: threading.Thread | None = None
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._keep_dirty)
        self._settle = QTimer(self, singleShot=True)
        self._settle.timeout.connect(self._forget_removed)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._watch(layer)
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
        for layer in self.viewer.layers:
            self._listen(layer, is_on=False)
        _known.update(self._layers)
        self._layers, self._removed, self._gone = {}, {}, []
        self.setParent(None)  # it ends with its last reference

    def flush(self) -> None:
        """Put the last strokes on disk, and note that napari was closed in good order."""
        self._join()
        all_layers = {**self._layers, **self._removed}
        for layer, watched in all_layers.items():
            if watched.is_dirty:
                self._write([self._task(layer, watched)])
            if watched.file is None and watched.on_disk is not None:
                note_closed(key_of(layer))

    def keep_in(
        self,
        layer: LabelsLayer,
        file: Path,
        note: Callable[[PaintedLayer], None] | None = None,
    ) -> None:
        """Keep the paint of a layer in a file of the user's from now on, as that of a project.

        Parameters
        ----------
        note
            Takes what the paint is for, each time that it is written; called in a thread.
        """
        if (watched := self._layers.get(layer)) is not None:
            watched.file, watched.note = file, note
            self._mark(layer)

    def is_kept_in_file(self, layer: LabelsLayer) -> bool:
        """Return whether the paint of a layer is kept in a file of the user's."""
        watched = self._layers.get(layer)
        return watched is not None and watched.file is not None

    # ---- what is painted -------------------------------------------------------------------------

    def _watch(self, layer: Layer) -> None:
        if not can_be_kept(layer):
            if not isinstance(layer, LabelsLayer):
                self._listen(layer, is_on=True)
            if is_regions(layer):
                self._mark_annotations(layer)
            return
        self._listen(layer, is_on=True)
        self._layers[layer] = _known.pop(layer, Watched())
        is_made_here = layer.source.path is None and layer.source.sample is None
        if is_made_here and is_annotations(layer):
            self._mark(layer)

    def _listen(self, layer: Layer, *, is_on: bool) -> None:
        """Listen to paint, to rectangles, and to the names of images; or do so no more."""
        events: list[tuple[EventEmitter, Callable[[Event], None]]] = []
        if isinstance(layer, LabelsLayer):
            events = [(event, self._on_paint) for event in paint_events(layer)]
            events.append((layer.events.set_data, self._on_changed))
            events.append((layer.events.name, self._on_changed))
        elif isinstance(layer, ImageLayer):
            events = [(layer.events.name, self._on_renamed)]
        elif is_regions(layer):
            events = [(layer.events.data, self._on_regions)]
        for event, listener in events:
            (event.connect if is_on else event.disconnect)(listener)

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Event) -> None:
        """Stop watching a layer; whether the viewer is closed, too, is seen a moment later."""
        layer = event.value
        self._listen(layer, is_on=False)
        if (watched := self._layers.pop(layer, None)) is not None:
            self._removed[layer] = watched
        self._gone.append(layer)
        self._settle.start(0)

    def _forget_removed(self) -> None:
        """Forget layers that the user has removed."""
        if is_closed(self.viewer):
            self.flush()
            return
        if self._is_writing:
            self._settle.start(RETRY)
            return
        removed = [pair for pair in self._removed.items() if pair[0] not in self.viewer.layers]
        for layer, watched in removed:
            if watched.file is None:
                forget(key_of(layer))
        # What is kept in a file of the user's is complete there.
        self._start_writing([pair for pair in removed if pair[1].file and pair[1].is_dirty])
        gone, self._removed, self._gone = self._gone, {}, []
        for layer in filter(is_regions, gone):
            self._mark_annotations(layer)

    def _on_paint(self, event: Event) -> None:
        self._mark(event.source)

    def _on_regions(self, event: Event) -> None:
        self._mark_annotations(event.source)

    def _on_renamed(self, event: Event) -> None:
        """Note the new name of an image on what was made for it."""
        for layer in layers_of(event.source, self.viewer.layers):
            add_note(layer, **made_of(event.source))
            if layer in self._layers and self._layers[layer].is_painted:
                self._mark(layer)

    def _mark_annotations(self, regions: Layer) -> None:
        """Write the annotations of an image anew, as its rectangles are written with them."""
        if (image := source_of(regions, self.viewer.layers)) is not None:
            for layer in layers_of(image, self.viewer.layers, ANNOTATIONS):
                self._mark(layer)

    def _on_changed(self, event: Event) -> None:
        """Look again at a layer that was painted before: nothing else tells of Undo."""
        watched = self._layers.get(event.source)
        if watched is not None and watched.is_painted:
            self._mark(event.source)

    def _mark(self, layer: Layer) -> None:
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
        self._start_writing([pair for pair in self._layers.items() if pair[1].is_dirty])

    def _start_writing(self, dirty: list[tuple[LabelsLayer, Watched]]) -> None:
        tasks = [self._task(layer, watched) for layer, watched in dirty]
        if tasks:
            self._thread = threading.Thread(target=self._write, args=(tasks,))
            self._thread.start()

    def _task(self, layer: LabelsLayer, watched: Watched) -> Task:
        watched.is_dirty = False
        layers = [*self.viewer.layers, *self._gone]
        watched.kept = described(layer, layers, watched.kept)
        return Task(layer.data, watched.kept, place_in(layer), watched)

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


def write(task: Task) -> bool:
    """Write paint, unless it is on disk already or nothing was ever painted; return whether."""
    watched, file = task.watched, task.watched.file
    state = Written(file, _checksum(task.data), task.kept)
    is_new = watched.on_disk is None and file is None
    is_empty = not task.kept.complete and not task.data.any()
    if state == watched.on_disk or (is_new and is_empty):
        return False
    if file is None:
        keep(task.kept, task.data)
    else:
        write_paint(file, task.data, **task.place)
        if watched.note is not None:
            watched.note(task.kept)
        if watched.on_disk is None or watched.on_disk.file != file:
            forget(task.kept.key)
    # Where somebody has painted meanwhile, the file may hold either, and is written again.
    is_same = _checksum(task.data) == state.checksum
    watched.on_disk = state if is_same else state._replace(checksum=CHANGED)
    return True


def _checksum(data: Pixels) -> int:
    """Return a checksum of an array, read plane by plane."""
    check = 0
    for index in np.ndindex(data.shape[:-2]):
        check = zlib.crc32(np.ascontiguousarray(data[index]).data, check)
    return check
