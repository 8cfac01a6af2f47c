"""Where results grow until they are whole: a folder that survives the process.

It is hidden beside the output. Each finished part is written before it is recorded, so that a
run that was killed goes on from the records, and many processes can work on one. The output appears
only when it is whole.
"""

from __future__ import annotations

import json
import shutil
import uuid
import zlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import zarr

from ...errors import DamagedError, InUseError, TakenError
from ...io import delete, replacing, temporary_path, tidy, with_empty_chunks
from .identity import made_from_changed
from .in_memory import Kept
from .journal import Journal
from .lock import check_free

_IDENTITY = "run.json"


class Folder:
    """A folder that an interrupted run leaves behind, and its next one goes on with.

    Parameters
    ----------
    path
        Created by `begin`, where it is not there.
    identity
        What a run must have in common with the one that began it: model, image, settings.
    overwrite
        Whether what was begun with another identity is replaced, when this run begins.

    Attributes
    ----------
    is_new
        Whether this run has begun it.

    Raises
    ------
    TakenError
        If it was begun with another identity, and is not to be replaced.
    """

    def __init__(self, path: Path, identity: str, overwrite: bool = False) -> None:
        self.path, self.identity = path, identity
        self._overwrite = overwrite
        self.is_new = False
        self._is_another(_begun(path))
        self.journal = Journal(path)
        self._arrays: dict[str, Any] = {}
        self._metadata: dict[str, set[Path]] = {}
        self._mark: object = None

    @staticmethod
    def is_begun(path: Path, identity: str) -> bool:
        """Whether a run of this identity has begun a folder."""
        begun = _begun(path)
        return begun is not None and begun["identity"] == identity

    @staticmethod
    def remove_left(path: Path, identity: str) -> None:
        """Take away what a run has left that was killed after its result was in place.

        Raises
        ------
        InUseError
            If it is not left, but at work.
        """
        if path.is_dir() and (_begun(path) is None or Folder.is_begun(path, identity)):
            check_free(path)
            delete(path)

    def _is_another(self, begun: dict[str, Any] | None) -> bool:
        """Whether a run of another identity has begun the folder, and may be replaced."""
        if begun is None or begun["identity"] == self.identity:
            return False
        if self._overwrite:
            return True
        if made_from_changed(begun["identity"], self.identity):
            raise TakenError(
                f"{self.path} holds an unfinished result of the same image as it was before its "
                "file changed (size or time of change). Begin anew with --overwrite."
            )
        raise TakenError(
            f"{self.path} holds an unfinished result of another model, image or setting. Finish it "
            "with what it was begun with, or replace it (--overwrite)."
        )

    def begin(self, decide: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Make the folder, unless an earlier run has.

        Parameters
        ----------
        decide
            Gives what may differ between runs, but not within one: plain values for JSON.

        Returns
        -------
        settings
            What was decided, by this run or by the one that began the folder.

        Raises
        ------
        TakenError
            If a run of another identity was faster.
        InUseError
            If one that is to be replaced is at work.
        """
        begun = _begun(self.path)
        if self._is_another(begun):
            check_free(self.path)
            delete(self.path)
            begun = None
        if begun is None:
            self._make({"identity": self.identity, "settings": decide()})
        return self.join()

    def _make(self, begun: dict[str, Any]) -> None:
        """Make the folder, unless another process is faster."""
        tidy(self.path)
        new = temporary_path(self.path, "part")
        new.mkdir(parents=True)
        (new / _IDENTITY).write_text(json.dumps(begun))
        try:
            new.rename(self.path)
            self.is_new = True
        except OSError:  # something is there
            if _begun(self.path) is None:
                delete(self.path)
                new.rename(self.path)
                self.is_new = True
            else:  # another process was first
                shutil.rmtree(new)

    def join(self) -> dict[str, Any]:
        """Take part in what was begun; what was known of an earlier folder is forgotten.

        Returns
        -------
        settings
            With which it was begun.
        """
        self._mark = _mark(self.path)
        self._arrays.clear()
        self._metadata.clear()
        self.journal.look_again()
        begun = _begun(self.path)
        if begun is None:
            raise OSError(f"Could not write to {self.path}.")
        if self._is_another(begun):
            raise InUseError(f"Another program has begun anew in {self.path} at this moment.")
        settings: dict[str, Any] = begun["settings"]
        return settings

    def check(self) -> None:
        """Make sure that the folder is still the one that this run has begun or joined.

        Raises
        ------
        DamagedError
            If it was deleted, and maybe begun anew.
        InUseError
            If a run of another identity has begun it anew.
        """
        if self._mark is not None and _mark(self.path) == self._mark:
            return
        begun = _begun(self.path)
        if begun is not None and begun["identity"] != self.identity:
            raise InUseError(f"{self.path} is no longer of this job: another has begun there.")
        raise DamagedError(f"{self.path} was deleted while the work went on.")

    def check_arrays(self) -> None:
        """Make sure that the arrays that were opened can be opened.

        Raises
        ------
        DamagedError
            If what describes one was deleted.
        """
        self.check()
        for name, files in self._metadata.items():
            if not all(file.exists() for file in files):
                raise DamagedError(f"{self.path / name} was deleted while the work went on.")

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0, or what an earlier run has written to it."""
        if name not in self._arrays:

            def make(path: Path) -> None:
                zarr.create_array(
                    path, shape=tuple(shape), dtype=dtype, chunks=tuple(chunks), fill_value=0
                )

            self._arrays[name] = with_empty_chunks(self.opened(name, "", make))
        return self._arrays[name]

    def opened(self, name: str, inside: str, make: Callable[[Path], object]) -> Any:
        """The array in what `make` makes; what is no array any more is made anew."""
        path = self.path / name
        self._metadata[name] = {path / "zarr.json", path / inside / "zarr.json"}
        self.made(name, make)
        if not all(file.exists() for file in self._metadata[name]):  # a part was deleted
            delete(path)
            self.made(name, make)
        return zarr.open_array(path / inside, mode="r+")

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """A file or folder that `make` makes at the path that it is given, once and whole."""
        path = self.path / name
        if not path.exists():
            self.check()
            place = self.path / f"new-{uuid.uuid4().hex}" / path.name
            place.parent.mkdir()
            try:
                make(place)
                path.parent.mkdir(parents=True, exist_ok=True)
                with suppress(OSError):  # another process was first
                    place.rename(path)
            finally:
                shutil.rmtree(place.parent, ignore_errors=True)
        return path

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded, now or by another run."""
        return self.journal.is_done(name, key)

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        self.journal.record(name, key)

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep small arrays under a name, all or nothing."""
        with replacing(self.path / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def load(self, name: str, *keys: str) -> Kept | None:
        """What was kept under a name, or some of it; None also where it did not reach the disk."""
        lost = FileNotFoundError, EOFError, ValueError, KeyError, BadZipFile, zlib.error
        # numpy would leave a damaged file open.
        path = self.path / f"{name}.npz"
        with suppress(*lost), path.open("rb") as file:
            arrays = np.load(file)
            return {key: arrays[key] for key in keys or arrays.files}
        path.unlink(missing_ok=True)  # what is not there is made anew
        return None

    def drop(self, name: str) -> None:
        """Forget everything under a name."""
        for known in self._arrays, self._metadata:
            for key in [key for key in known if key.startswith(name)]:
                del known[key]
        self.journal.forget(name)
        delete(self.path / name)

    def has(self, name: str) -> bool:
        """Whether something is kept under a name."""
        return (self.path / f"{name}.npz").exists()

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Take back the records of some parts; of all when None."""
        if lost is None or lost:
            self.journal.unrecord(name, lost)

    def remove(self) -> None:
        """Take the folder away."""
        with suppress(OSError):
            (self.path / _IDENTITY).unlink()
        delete(self.path)


def _mark(folder: Path) -> object:
    """Differs for folders that were begun at different times; None of none."""
    with suppress(OSError):
        found = (folder / _IDENTITY).stat()
        return found.st_ino, found.st_mtime_ns
    return None


def _begun(path: Path) -> dict[str, Any] | None:
    """What an earlier run noted in its folder."""
    with suppress(OSError, ValueError, TypeError):
        begun = json.loads((path / _IDENTITY).read_text())
        return begun if {"identity", "settings"} <= set(begun) else None
    return None
