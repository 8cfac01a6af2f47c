"""Save and open projects in the Train dock, and go from one of their images to the next."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QPushButton

from ...arrays import Pixels
from ...errors import InputError, in_words
from ...image import Image
from ...io.model_folder import model_folder
from ...recipe import Recipe
from ...session.painted import PaintedLayer
from ...session.project import Project, ProjectImage, Training, is_project
from ...wording import counted
from ..jobs.mailbox import Mailbox
from ..jobs.training import Trained
from ..layers.annotations import annotations_of
from ..layers.autosave import Autosave
from ..layers.conversion import add_annotations, image_of
from ..layers.painted import can_be_kept, described, key_of, place_in
from ..layers.purpose import is_image, note, source_of
from ..layers.restore import find_image, open_image, show_paint
from ..widgets.basics import Fold, Hint, button, row, stack
from ..widgets.inputs import narrow
from .job import PaintedImage, TrainRequest
from .other_images import Offered

log = logging.getLogger("napari_scribe")

NO_PROJECT = (
    "A project keeps your images, paint, settings and models together in a folder. A folder of "
    "images can be opened as one, too."
)
SAVE_AFTER = 1000
"""Milliseconds from new annotations to their place in the project."""


class _Part(NamedTuple):
    """Hold what is saved of a layer of annotations.

    Parameters
    ----------
    layer, image_layer
        The annotations, and the image that they are of.
    painted, paint, place, image, known
        As `Project.put` takes them.
    """

    layer: LabelsLayer
    image_layer: ImageLayer
    painted: PaintedLayer
    paint: Pixels
    place: dict[str, dict[str, Any]]
    image: Image
    known: ProjectImage | None

    def put(self, project: Project) -> ProjectImage:
        """Write the paint into a project."""
        return project.put(self.painted, self.paint, self.place, self.image, self.known)


_Saved = tuple[
    Project,
    list[tuple[_Part, ProjectImage]] | Exception,
    list[tuple[Path, dict[str, Any]]],
]
"""The project, what was put into it or what went wrong, and its new models."""


class ProjectPanel(Fold):
    """Offer to save and to open a project, and its images one after the other.

    Once there is a project, new annotations become a part of it, and every stroke is in it after
    some seconds.

    Parameters
    ----------
    autosave
        What keeps paint on disk.
    recipe
        Returns what the form holds.

    Signals
    -------
    opened
        The `Project` that was opened.
    failed
        What went wrong, in words.
    """

    opened = Signal(object)
    failed = Signal(str)

    def __init__(self, viewer: Viewer, autosave: Autosave, recipe: Callable[[], Recipe]) -> None:
        super().__init__("Project")
        self._viewer, self._autosave, self._recipe = viewer, autosave, recipe
        self.project: Project | None = None
        self._open: dict[int, str] = {}
        """Ids of the layers of images that are open, by the index of the image in the project."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._trained: list[tuple[Path, dict[str, Any]]] = []
        self.hint = Hint()
        save_tip = "Save images (by their place), paint, settings and models in a folder"
        self.save_button = button("Save project", save_tip, self.save)
        open_tip = "Open the folder of a project, or a folder of images"
        self.open_button = button("Open project", open_tip, self.ask_and_open)
        self.images = QComboBox()
        self.images.setToolTip("The images of the project; those that are painted have a dot")
        narrow(self.images)
        self.images.activated.connect(self.show_image)
        self.previous = _arrow(
            "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "previous", self, -1
        )
        self.next = _arrow("\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}", "next", self, 1)
        self._browser = row(self.previous, self.images, self.next, wide=1)
        buttons = row(self.save_button, self.open_button)
        self.addWidget(stack(self.hint, self._browser, buttons))
        self._soon = QTimer(self, interval=SAVE_AFTER, singleShot=True)
        self._soon.timeout.connect(self._save)
        self._mailbox = Mailbox()
        self._mailbox.delivered.connect(self._on_saved)
        autosave.kept.connect(self._on_kept)
        self._show()

    def close_down(self) -> None:
        """Wait until what is being saved is saved."""
        if self._thread is not None:
            self._thread.join()

    # ---- saving ----------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the project; where there is none yet, ask for its folder."""
        if self.project is None:
            folder = QFileDialog.getExistingDirectory(self, "Folder for the project")
            if folder:
                self.save_to(Path(folder))
        else:
            self._save()

    def save_to(self, folder: Path) -> None:
        """Make a project in a folder, and save all painted images there."""
        try:
            self.project, self._open = Project.create(folder), {}
        except InputError as error:
            self.failed.emit(str(error))
        else:
            self._save()

    def note_trained(self, trained: Trained[TrainRequest]) -> None:
        """Put a model that was trained into the project."""
        if not trained.is_parent and trained.path is not None:
            self._trained.append((trained.path, trained.model.provenance))
            if self.project is not None:
                self._save()

    def _save(self) -> None:
        """Save everything in a thread: an image may be large."""
        project = self.project
        if project is None:
            return
        if self._thread is not None:
            self._soon.start()
            return
        parts = list(self._parts(project))
        trained, self._trained = self._trained, []
        with suppress(InputError):  # a setting that is being typed
            project.recipe = self._recipe()

        def save() -> None:
            try:
                with self._lock:
                    used = [part for part in parts if part.paint.any() or part.painted.complete]
                    result: object = [(part, part.put(project)) for part in used]
                    for model, provenance in trained:
                        project.add_training(model, provenance)
                    project.save()
            except Exception as error:  # every reader of images has its own
                log.warning("The project was not saved", exc_info=error)
                result = error
            self._mailbox.send((project, result, trained))

        self._thread = threading.Thread(target=save)
        self._thread.start()

    def _parts(self, project: Project) -> Iterator[_Part]:
        """Yield the annotations of images in the viewer that are not in the project yet."""
        known = {layer: project.images[index] for index, layer in self._open.items()}
        for image in filter(is_image, self._viewer.layers):
            layers = annotations_of(image, self._viewer.layers)
            layer = layers[-1] if layers else None
            if layer is None or not can_be_kept(layer) or self._autosave.is_kept_in_file(layer):
                continue
            with suppress(InputError):  # its axes are not clear
                painted, place = described(layer, self._viewer.layers), place_in(layer)
                of_image = image_of(image), known.get(key_of(image))
                yield _Part(layer, image, painted, layer.data, place, *of_image)

    def _on_saved(self, answer: _Saved) -> None:
        project, saved, trained = answer
        self._thread = None
        if isinstance(saved, Exception):
            self._trained = trained + self._trained
            self.failed.emit(in_words(saved))
            self._show()
            return
        for part, entry in saved:
            self._keep_in(project, entry, part.layer)
            if project is self.project:
                self._open[project.images.index(entry)] = key_of(part.image_layer)
        if self._trained:  # meanwhile
            self._save()
        self._show()

    def _keep_in(self, project: Project, entry: ProjectImage, layer: LabelsLayer) -> None:
        """Keep new strokes, and what is said of them, in the project."""
        renew = partial(_renew, self._lock, project, entry.paint)
        self._autosave.keep_in(layer, project.folder / entry.paint, renew)

    def _on_kept(self) -> None:
        """Notice new paint that is in the recovery folder alone."""
        if self.project is not None:
            self._soon.start()

    # ---- opening ---------------------------------------------------------------------------------

    def ask_and_open(self) -> None:
        """Ask for a folder, and open it."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of a project, or of images")
        if folder:
            self.open_folder(Path(folder))

    def open_folder(self, folder: Path) -> None:
        """Open a project; of a folder of images, make one."""
        try:
            project = Project.open(folder) if is_project(folder) else Project.of_images(folder)
        except InputError as error:
            self.failed.emit(str(error))
            return
        self.project, self._open = project, {}
        _keep_models(project)
        self._show()
        self.opened.emit(project)
        painted = [i for i, image in enumerate(project.images) if image.paint]
        if project.images:
            self.show_image(painted[-1] if painted else 0)

    def show_image(self, index: int) -> None:
        """Show an image of the project with its paint, and hide the others."""
        project = self.project
        if project is None:
            return
        self._show(index)
        try:
            image = self._open_with_paint(project, index)
        except InputError as error:
            self.failed.emit(str(error))
            return
        layers = self._viewer.layers
        own = {other.image for other in project.images}
        own |= {layer.name for layer in layers if key_of(layer) in self._open.values()}
        for layer in layers:
            source = source_of(layer, layers) or layer
            if source.name in own or note(layer).get("source") in own:
                layer.visible = source is image
        annotations = annotations_of(image, layers)[-1]
        self._viewer.layers.selection.active = annotations
        annotations.mode = "paint"  # hidden layers lose the brush
        self._viewer.reset_view()

    def _open_with_paint(self, project: Project, index: int) -> ImageLayer:
        """Open an image and its paint, unless they are open."""
        entry = project.images[index]
        image = self._image(index, entry)
        if image is None:
            image = open_image(self._viewer, entry, project.image_file(entry), entry.name_in_file)
        self._open[index] = key_of(image)
        made = annotations_of(image, self._viewer.layers)
        # Other annotations of the image may be open; those of the project come on top.
        if not any(map(self._autosave.is_kept_in_file, made) if entry.paint else made):
            self._add_paint(project, entry, image)
        return image

    def _image(self, index: int, entry: ProjectImage) -> ImageLayer | None:
        """Return the layer of an image of the project, renamed or not; None where none is open."""
        layers = list(filter(is_image, self._viewer.layers))
        key = self._open.get(index)
        if (same := next((layer for layer in layers if key_of(layer) == key), None)) is not None:
            return same
        free = [layer for layer in layers if key_of(layer) not in self._open.values()]
        by_name = find_image(entry, free)
        if by_name is None and entry.name_in_file:
            return find_image(replace(entry, image=entry.name_in_file), free)
        return by_name

    def _add_paint(self, project: Project, entry: ProjectImage, image: ImageLayer) -> None:
        """Add the annotations of the project; where nothing is painted yet, empty ones."""
        if entry.paint:
            layer = show_paint(self._viewer, image, entry, project.read_paint(entry))
            self._keep_in(project, entry, layer)
        else:
            add_annotations(self._viewer, image)

    def go(self, step: int) -> None:
        """Show the next image, or the one before."""
        if self.images.count():
            self.show_image((self.images.currentIndex() + step) % self.images.count())

    def closed_images(self, _shown: Image | None, task: str) -> Iterator[Offered]:
        """Offer the painted images of the project that are not open, to learn from their files."""
        project = self.project
        if project is None:
            return
        for index, entry in enumerate(project.images):
            is_for_task = entry.noted.get("task", "objects") == task
            if entry.paint and is_for_task and self._image(index, entry) is None:
                tip = f"Train on {entry.paint} of the project, too"
                yield Offered(entry.paint, entry.image, tip, _reader(project, entry))

    def _show(self, index: int | None = None) -> None:
        """Say what there is."""
        project = self.project
        images = [] if project is None else project.images
        self._browser.setVisible(len(images) > 1)
        self.setText("Project" if project is None else f"Project: {project.folder.name}")
        if project is None:
            self.hint.setText(NO_PROJECT)
            return
        at = self.images.currentIndex() if index is None else index
        self.images.clear()
        self.images.addItems([f"{i.image} \N{BULLET}" if i.paint else i.image for i in images])
        self.images.setCurrentIndex(at)
        n_painted = sum(bool(image.paint) for image in images)
        text = f"{counted(len(images), 'image')}, {n_painted} painted."
        history = _in_words(project.history[-1]) if project.history else ""
        self.hint.setText(f"{text} New strokes are saved as you paint. {history}")
        self.hint.setToolTip(str(project.folder))


def _arrow(text: str, which: str, panel: ProjectPanel, step: int) -> QPushButton:
    made = button(text, f"The {which} image of the project", lambda: panel.go(step))
    made.setFixedWidth(28)
    made.setAccessibleName(f"{which} image")
    return made


def _in_words(training: Training) -> str:
    loss = "" if training.loss is None else f", loss {training.loss:.3f}"
    return f"Last model: {Path(training.model).stem}{loss}."


def _keep_models(project: Project) -> None:
    """Let the models of a project be chosen, on a computer that has not seen them, too."""
    for path in project.models():
        own = model_folder() / path.name
        with suppress(OSError):
            if not own.exists():
                own.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, own)


def _reader(project: Project, entry: ProjectImage) -> Callable[[], PaintedImage]:
    def read() -> PaintedImage:
        image, paint, complete = project.painted(entry)
        corrected = tuple(entry.noted.get("corrected", ()))
        return PaintedImage(image, paint, complete=complete, corrected=corrected)

    return read


def _renew(lock: threading.Lock, project: Project, paint: str, painted: PaintedLayer) -> None:
    with lock:
        project.renew(paint, painted)
