"""Measure the objects in a folder of labels: what is asked, and what a thread does."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from magicgui.widgets import CheckBox

from ...errors import InputError, ManyPiecesError
from ...evaluation.measure_files import Files, FilesStep, label_files, measuring_files
from ...evaluation.table import Measurements
from ...progress import Job
from ..jobs.progress import JobClock, Progressed
from ..jobs.request import Question, Request
from ..widgets.basics import Column, named
from ..widgets.inputs import PathEdit

WIDTH = 56
"""Width of the names, in pixels."""
LABELS_TIP = "A folder of labels: every file in it is measured, into one table"
IMAGES_TIP = (
    "Images in which intensities are measured: a folder of files with the names of the labels. "
    "Leave it empty to measure sizes and shapes alone"
)
SLICES_TIP = "If the files are stacks: each slice has objects of its own. Else Z is depth"


@dataclass(frozen=True)
class MeasureFolderRequest(Request[FilesStep, Measurements]):
    """Describe which files are measured.

    Parameters
    ----------
    folder
        That of the labels.
    files
        As `label_files` gives them.
    slices, pieces
        As `measuring_files` takes them.
    """

    needs_torch: ClassVar[bool] = False
    folder: Path
    files: tuple[Files, ...]
    slices: bool = False
    pieces: bool | None = None

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Measuring the labels in {self.folder.name}"

    def begin(self) -> Job[FilesStep, Measurements]:
        """Make the job; called in its thread."""
        return Job(self._measure)

    def _measure(
        self, job: Job[FilesStep, Measurements]
    ) -> Generator[FilesStep, None, Measurements]:
        inner = measuring_files(self.files, slices=self.slices, pieces=self.pieces)
        try:
            for step in inner:
                yield step
                if job.stop_requested:
                    inner.stop()
        except ManyPiecesError as error:
            raise Question(str(error), "Each piece", "Each number") from None
        return inner.result

    def progress(self, record: FilesStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        if not record.number:
            return Progressed(0.0, "Looking at the files")
        clock.add(record.done, record.total)
        text = f"file {record.number} of {record.total}, {record.n_objects:,} objects"
        return Progressed(clock.fraction, f"{text}{clock.time_left}")


class FolderPicker(Column):
    """Ask for a folder of labels, and for one of images."""

    def __init__(self) -> None:
        self.label_folder = PathEdit("d", "Folder of labels", LABELS_TIP, "choose a folder")
        self.image_folder = PathEdit("d", "Folder of images", IMAGES_TIP, "none")
        self.slices = CheckBox(value=False, text="Each slice by itself")
        self.slices.tooltip = SLICES_TIP
        super().__init__(
            named("Labels", self.label_folder, WIDTH),
            named("Images", self.image_folder, WIDTH),
            self.slices,
        )
        for path in (self.label_folder, self.image_folder):
            path.changed.connect(lambda: self.changed.emit(self))

    def request(self, pieces: bool | None = None) -> MeasureFolderRequest:
        """Return what is measured.

        Raises
        ------
        InputError
            If a folder is missing, or files have no partner.
        """
        folder = self.label_folder.value
        if folder is None:
            raise InputError("Choose a folder of labels.")
        files = tuple(label_files(folder, self.image_folder.value))
        return MeasureFolderRequest(folder, files, bool(self.slices.value), pieces)
