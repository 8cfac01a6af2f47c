"""Ask which model is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from ...errors import InputError
from ...io.model_folder import is_shipped, list_models, shipped_models
from ..model_library import has_enough_steps, in_words, task_of
from .basics import Column, Hint, button, row
from .inputs import Choice, narrow, refresh_when_seen
from .model_menu import ModelMenu

FINDING = frozenset({"objects", "classes"})
"""Tasks of models that find something."""
DENOISING = frozenset({"denoised"})
NEWEST_FIRST = "Models that ship, and those that were trained here, the newest first"
SHIPS = "{} (shipped)"


def _distinct_names(files: list[Path]) -> list[str]:
    """Name each file by its stem, with its folder or all of its path where others share that."""
    ways: tuple[Callable[[Path], str], ...] = (
        lambda file: file.stem,
        lambda file: f"{file.stem} ({file.parent.name})",
        str,
    )
    counts = [(way, Counter(map(way, files))) for way in ways]
    return [next(way(file) for way, n in counts if n[way(file)] == 1) for file in files]


def _written(path: Path | None) -> tuple[Path | None, float]:
    """Return a file, and when it was written; 0 where it is not there."""
    try:
        return path, 0 if path is None else path.stat().st_mtime
    except OSError:
        return path, 0


class ModelPicker(Column):
    """Offer the models that ship, the trained ones, the newest first, and a file elsewhere.

    Parameters
    ----------
    none
        What the choice of no model is called; empty where a model is needed.
    tasks
        Models for other tasks are not offered. One that cannot be read is: it says why.
    tooltip
        Shown beneath the whole name.
    """

    def __init__(
        self, none: str = "", tasks: Collection[str] = FINDING, tooltip: str = NEWEST_FIRST
    ) -> None:
        self._none, self._tasks, self._tooltip = none, {*tasks, ""}, tooltip
        self._files: list[Path] = []
        self._described: tuple[Path | None, float] = (None, 0)
        self._is_chosen_by_user = False
        self.combo = Choice(self._choices)
        narrow(self.combo.native)
        self.combo.native.setPlaceholderText("none yet")
        self.info = Hint()
        file = button("File...", "Choose a model that lies elsewhere", self._choose_file)
        self.menu = ModelMenu(self.value, self._show_instead)
        super().__init__(row(self.combo, file, self.menu, wide=0), self.info)
        self.combo.changed.connect(self._describe)
        self.combo.native.activated.connect(self._on_activated)
        refresh_when_seen(self, self.reset_choices)
        self._choose_default()
        self._describe()

    def value(self) -> Path | None:
        """Return the file of the model; None for none."""
        chosen = self.combo.value
        return chosen if isinstance(chosen, Path) else None

    def set_value(self, path: Path | None) -> None:
        """Choose a file; None where no model is a choice."""
        self._is_chosen_by_user = True
        if path is not None and path not in self._values():
            self._files.insert(0, path)
        with self.combo.changed.blocked():
            self.combo.reset_choices()
            self.combo.value = self._none if path is None else path
        self._describe()

    def reset_choices(self, *_: object) -> None:
        """Look for models again; what the user has chosen stays, else `_choose_default` decides."""
        if has_others := self._values() != list(self.combo.choices):
            with self.combo.changed.blocked():
                self.combo.reset_choices()
        if not self._is_chosen_by_user:
            self._choose_default()
        # A training writes its model again and again.
        if has_others or self._described != _written(self.value()):
            self._describe()

    def _choose_default(self) -> None:
        """Choose the newest of the user's own models that was trained long enough to be judged.

        Else one that ships; else the newest. One that cannot be read says why.
        """
        files = [path for path in self.combo.choices if isinstance(path, Path)]
        own = (path for path in files if not is_shipped(path) and has_enough_steps(path))
        if files and not self._none:
            with self.combo.changed.blocked():
                self.combo.value = next(own, files[0])

    def _show_instead(self, path: Path | None) -> None:
        """Show another model in the place of one that was renamed or deleted."""
        self._is_chosen_by_user = path is not None
        self._files = [file for file in self._files if file.is_file()]
        if path is not None:
            self.set_value(path)
        else:
            self.reset_choices()

    def _on_activated(self) -> None:
        self._is_chosen_by_user = True

    def _choices(self) -> list[tuple[str, str | Path]]:
        first = [(self._none, self._none)] if self._none else []
        listed = [path for path in list_models() if task_of(path) in self._tasks]
        ships = [path for path in shipped_models() if task_of(path) in self._tasks]
        others = [path for path in self._files if path not in [*listed, *ships]]
        files = [*others, *listed]
        return [
            *first,
            *((SHIPS.format(path.stem), path) for path in ships),
            *zip(_distinct_names(files), files, strict=True),
        ]

    def _values(self) -> list[str | Path]:
        return [value for _, value in self._choices()]

    def _describe(self) -> None:
        path = self.value()
        self._described = _written(path)
        name = f"{self.combo.current_choice}\n" if path is not None else ""
        self.combo.tooltip = name + self._tooltip
        if path is None:
            self.info.setText("" if self._none else "No model yet: train one, or choose a file.")
        else:
            try:
                self.info.setText(in_words(path))
            except InputError as error:
                self.info.setText(str(error))
        self.changed.emit(self)

    def _choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self.native, "Choose a model", "", "napari-scribe models (*.zip)"
        )
        if name:
            self.set_value(Path(name))
