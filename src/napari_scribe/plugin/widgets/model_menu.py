"""Offer beside a model what can be done with its file: rename, copy, delete, show its card."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QFontDatabase, QImage, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QInputDialog,
    QLabel,
    QMenu,
    QToolButton,
    QWidget,
)

from ...errors import InputError
from ...io.model_file import open_model_file
from ...io.model_folder import is_shipped
from ...session import models
from ..jobs.torch_loader import load_torch
from ..model_library import in_words
from .basics import fill_column

SHOWS_IMAGES = (
    "{} holds a sample of the images it was trained on, for fine-tuning. Whoever gets the file can "
    "see them. Leave them out?"
)

NARROW = 22
"""Width of the button, in pixels."""


class ModelMenu(QToolButton):
    """Offer a menu for the model that is chosen.

    Parameters
    ----------
    value
        Returns the file of that model; None for none.
    show_model
        Shows another model in its place: its file, or None where it is gone.

    Signals
    -------
    asked
        A question, and what each answer does.
    told, failed
        What was done, and why it was not.
    """

    asked = Signal(str, object)
    told = Signal(str)
    failed = Signal(str)

    def __init__(
        self, value: Callable[[], Path | None], show_model: Callable[[Path | None], None]
    ) -> None:
        super().__init__()
        self._value, self._show_model = value, show_model
        self.setText("...")
        self.setToolTip("Rename, copy or delete this model, or show what it was trained on")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.setFixedWidth(NARROW)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.card: QDialog | None = None
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.actions_by_name = {
            name: menu.addAction(name, pressed)
            for name, pressed in (
                ("Show card", self.show_card),
                ("Rename...", self._ask_name),
                ("Save a copy...", self._ask_place),
                ("Delete", self.delete),
            )
        }
        self.setMenu(menu)
        menu.aboutToShow.connect(self.show_state)

    def show_state(self) -> None:
        """Enable what makes sense for the model that is chosen."""
        path = self._value()
        ships = path is not None and is_shipped(path)
        for name, action in self.actions_by_name.items():
            stays = ships and name in ("Rename...", "Delete")
            action.setEnabled(path is not None and not stays)
            action.setToolTip("It ships with napari-scribe and stays as it is" if stays else "")

    def rename(self, name: str) -> None:
        """Give the model another name."""

        def act(path: Path) -> None:
            new = models.rename(path, name)
            self._show_model(new)
            self.told.emit(f"{path.stem} is called {new.stem} now.")

        self._do(act)

    def save_copy(self, to: Path, *, with_sample: bool) -> None:
        """Write a copy of the model."""

        def act(path: Path) -> None:
            copy = models.save_copy(path, to, with_sample=with_sample)
            self.told.emit(f"A copy of {path.stem} is in {copy}.")

        self._do(act)

    def delete(self) -> None:
        """Delete the model, once the user has said so; it can be brought back."""
        if (path := self._value()) is not None:
            yes = partial(self._delete, path)
            self.asked.emit(f"Delete {path.stem}?", {"Delete": yes, "Keep it": lambda: None})

    def _delete(self, path: Path) -> None:
        try:
            removed = models.remove(path)
        except InputError as error:
            self.failed.emit(str(error))
            return
        self._show_model(None)

        def bring_back() -> None:
            try:
                self._show_model(models.restore(removed, path))
            except InputError as error:
                self.failed.emit(str(error))

        text = f"{path.stem} is deleted: it lies in {removed.parent}."
        self.asked.emit(text, {"Undo": bring_back, "OK": lambda: None})

    def show_card(self) -> None:
        """Show what the model is and what it was trained on, once it was read in a thread."""
        if (path := self._value()) is not None:
            worker: Any = create_worker(_card, path, _start_thread=False)
            worker.returned.connect(self._show_card)
            worker.start()

    def _show_card(self, card: tuple[str, str, Any]) -> None:
        self.card = Card(self, *card)
        self.card.destroyed.connect(self._forget_card)
        self.card.show()

    def _forget_card(self) -> None:
        self.card = None

    def _ask_name(self) -> None:
        path = self._value()
        assert path is not None
        name, is_given = QInputDialog.getText(self, "Rename", "Name of the model", text=path.stem)
        if is_given:
            self.rename(name)

    def _ask_place(self) -> None:
        path = self._value()
        assert path is not None
        name, _ = QFileDialog.getSaveFileName(
            self, "Save a copy of the model", f"{path.stem}.zip", "napari-scribe models (*.zip)"
        )
        if not name:
            return
        copy = partial(self.save_copy, Path(name))
        if models.has_sample(path):
            answers = {
                "Leave them out": partial(copy, with_sample=False),
                "Keep them": partial(copy, with_sample=True),
            }
            self.asked.emit(SHOWS_IMAGES.format(path.stem), answers)
        else:
            copy(with_sample=True)

    def _do(self, act: Callable[[Path], None]) -> None:
        """Do something with the model that is chosen; tell why it fails."""
        path = self._value()
        if path is None:
            return
        try:
            act(path)
        except InputError as error:
            self.failed.emit(str(error))


class Card(QDialog):
    """Show a model in words, with a picture of a training image.

    Parameters
    ----------
    name, text
        Its name, and what it is, line by line.
    picture
        ``(h, w, 3)`` uint8, or None.
    """

    def __init__(self, parent: QWidget, name: str, text: str, picture: Any) -> None:
        super().__init__(parent.window())
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(name)
        self.text = QLabel(text)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setWordWrap(True)
        self.text.setMinimumWidth(680)
        parts: list[QWidget] = [self.text]
        if picture is not None:
            height, width, _ = picture.shape
            image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            thumbnail = QLabel()
            thumbnail.setPixmap(QPixmap.fromImage(image))
            thumbnail.setToolTip("The middle of a training image")
            parts.insert(0, thumbnail)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        fill_column(self, *parts, buttons, margins=(12, 12, 12, 12), spacing=10)


def _card(path: Path) -> tuple[str, str, Any]:
    """Return the name of a model, what it is in words, and its picture; called in a thread."""
    try:
        load_torch()
        from ...describe import describe_model
        from ...model import load_model

        with open_model_file(path) as file:
            picture = file.thumbnail()
        return path.stem, f"{in_words(path)}\n\n{describe_model(load_model(path))}", picture
    except Exception as error:  # one that leaves a worker of napari raises others
        return path.stem, str(error), None
