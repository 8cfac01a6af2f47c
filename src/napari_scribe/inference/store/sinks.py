"""Store what a run has done: in memory, or in a folder that survives the process.

The folder lies beside the output and is hidden. Each part is written before it is recorded. So a
run that was killed is resumed from the records, and many processes can work in one folder. The
output appears only when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import zarr

from ...arrays import Array as ReadableArray
from ...errors import DamagedError, InUseError, TakenError
from ...io.chunks import with_empty_chunks
from ...io.replace import delete, replacing, temporary_path, tidy
from .journal import Journal
from .lock import check_free

_BEGUN = "run.json"
"""Name of the file with the identity and the settings that a folder was begun with."""
Index = tuple[int | slice, ...]
Record = dict[str, Any]
"""Plain values for JSON."""


class Array(ReadableArray, Protocol):
    """Describe an array of numpy or zarr that results are written to."""

    def __getitem__(self, index: Index, /) -> np.ndarray: ...

    def __setitem__(self, index: Index, value: np.ndarray, /) -> None: ...


class Memory:
    """Store the work of a run without an output in memory."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._saved: dict[str, dict[str, np.ndarray]] = {}
        self._done: dict[str, set[str]] = {}

    def begin(self, decide: Callable[[], Record]) -> Record:
        """Return what is decided now, as no run in memory is resumed."""
        return decide()

    def array(
        self, name: str, shape: Sequence[int], dtype: npt.DTypeLike, chunks: Sequence[int]
    ) -> np.ndarray:
        """Return an array full of 0, or what was written to it."""
        if name not in self._arrays:
            self._arrays[name] = np.zeros(tuple(shape), dtype)
        return self._arrays[name]

    def is_done(self, name: str, key: str) -> bool:
        """Return whether a part was recorded."""
        return key in self._done.get(name, ())

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        self._done.setdefault(name, set()).add(key)

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Remove the records of some parts; of all parts when None."""
        done = self._done.get(name, set())
        done -= done if lost is None else set(lost)

    def save(self, name: str, **arrays: np.ndarray) -> None:
        """Save small arrays under a name."""
        self._saved[name] = arrays

    def load(self, name: str, key: str) -> np.ndarray | None:
        """Load one of the arrays that were saved under a name."""
        return self._saved.get(name, {}).get(key)

    def has(self, name: str) -> bool:
        """Return whether arrays are saved under a name."""
        return name in self._saved

    def drop(self, name: str) -> None:
        """Delete everything under a name, and under all names below it."""
        tables: list[dict[str, Any]] = [self._arrays, self._saved, self._done]
        for table in tables:
            for key in [key for key in table if key.startswith(name)]:
                del table[key]

    def check(self) -> None:
        """Do nothing, because no other run can use this memory."""


class Folder:
    """Store the work of a run in a folder, from which an interrupted run is resumed.

    Parameters
    ----------
    path
        Path of the folder. `begin` creates it if it is not there.
    identity
        Text that is the same for runs of one model over one image with the same settings.
    overwrite
        Whether `begin` replaces a folder of another identity.

    Attributes
    ----------
    is_new
        Whether this run has begun the folder.

    Raises
    ------
    TakenError
        If the folder has another identity and may not be replaced.
    """

    def __init__(self, path: Path, identity: str, overwrite: bool = False) -> None:
        self.path, self.identity = path, identity
        self._overwrite = overwrite
        self.is_new = False
        self._is_replaced(_identity_in(path))
        self.journal = Journal(path)
        self._arrays: dict[str, Array] = {}
        self._metadata: dict[str, set[Path]] = {}
        self._mark: tuple[int, int] | None = None

    def is_mine(self) -> bool:
        """Return whether the folder is there and has this identity."""
        return _identity_in(self.path) == self.identity

    @staticmethod
    def remove_finished(path: Path, identity: str) -> None:
        """Delete the folder of a run that was killed after its result was in place.

        Raises
        ------
        InUseError
            If another process is at work in it.
        """
        if path.is_dir() and _identity_in(path) in (None, identity):
            check_free(path)
            delete(path)

    def _is_replaced(self, identity: str | None) -> bool:
        """Return whether a folder of this identity has to be replaced.

        Raises
        ------
        TakenError
            If it has, and may not be.
        """
        if identity in (None, self.identity):
            return False
        if self._overwrite:
            return True
        if made_from_changed(str(identity), self.identity):
            raise TakenError(
                f"{self.path} holds an unfinished result of the same image as it was before its "
                "file changed (size or time of change). Allow replacing it to begin anew.",
                overwrite=True,
            )
        raise TakenError(
            f"{self.path} holds an unfinished result of another model, image or setting. Finish it "
            "with what it was begun with, or allow replacing it.",
            overwrite=True,
        )

    def begin(self, decide: Callable[[], Record]) -> Record:
        """Create the folder, unless an earlier run has.

        Parameters
        ----------
        decide
            Return what must not change once the run has begun.

        Returns
        -------
        decided
            What this run has decided, or an earlier run that began the folder.

        Raises
        ------
        TakenError
            If a run of another identity began the folder meanwhile.
        InUseError
            If a run that is to be replaced is at work.
        """
        if self._is_replaced(_identity_in(self.path)):
            check_free(self.path)
            delete(self.path)
        if _begun(self.path) is None:
            self._create({"identity": self.identity, "settings": decide()})
        return self.join()

    def _create(self, begun: Record) -> None:
        """Create the folder, unless another process creates it at the same moment."""
        tidy(self.path)
        new = temporary_path(self.path, "part")
        new.mkdir(parents=True)
        (new / _BEGUN).write_text(json.dumps(begun))
        if os.path.lexists(self.path) and _begun(self.path) is None:  # no folder of a run
            delete(self.path)
        try:
            new.rename(self.path)
            self.is_new = True
        except OSError:  # another process was first
            shutil.rmtree(new)

    def join(self) -> Record:
        """Take part in a run that was begun; forget what was read from an earlier folder.

        Returns
        -------
        decided
            What was decided when the run was begun.
        """
        self._mark = _mark(self.path)
        self._arrays.clear()
        self._metadata.clear()
        self.journal.reload()
        begun = _begun(self.path)
        if begun is None:
            raise OSError(f"Could not write to {self.path}.")
        if self._is_replaced(begun["identity"]):
            raise InUseError(f"Another program has begun anew in {self.path} at this moment.")
        decided: Record = begun["settings"]
        return decided

    def check(self) -> None:
        """Check that the folder is still the one that this run has begun or joined.

        Raises
        ------
        DamagedError
            If it was deleted, and maybe begun anew.
        InUseError
            If a run of another identity has replaced it.
        """
        if self._mark is not None and _mark(self.path) == self._mark:
            return
        if _identity_in(self.path) not in (None, self.identity):
            raise InUseError(f"{self.path} is no longer of this job: another has begun there.")
        raise DamagedError(f"{self.path} was deleted while the work went on.")

    def check_arrays(self) -> None:
        """Check that the metadata of all opened arrays are on disk.

        Raises
        ------
        DamagedError
            If the metadata of an array was deleted.
        """
        self.check()
        for name, files in self._metadata.items():
            if not all(file.exists() for file in files):
                raise DamagedError(f"{self.path / name} was deleted while the work went on.")

    def array(
        self, name: str, shape: Sequence[int], dtype: npt.DTypeLike, chunks: Sequence[int]
    ) -> Array:
        """Return an array full of 0, or what an earlier run has written to it."""
        if name not in self._arrays:

            def create(path: Path) -> None:
                zarr.create_array(
                    path, shape=tuple(shape), dtype=dtype, chunks=tuple(chunks), fill_value=0
                )

            self._arrays[name] = with_empty_chunks(self.open_or_create(name, "", create))
        return self._arrays[name]

    def open_or_create(
        self, name: str, inside: str, create: Callable[[Path], object], zarr_format: int = 3
    ) -> Array:
        """Open the array at the path `inside` of a zarr; let `create` make it if it is missing."""
        path = self.path / name
        of_group, of_array = (".zattrs", ".zarray") if zarr_format == 2 else ("zarr.json",) * 2
        self._metadata[name] = {path / of_group, path / inside / of_array}
        self._create_once(path, create)
        if not all(file.exists() for file in self._metadata[name]):  # a part was deleted
            delete(path)
            self._create_once(path, create)
        return cast(Array, zarr.open_array(path / inside, mode="r+"))

    def _create_once(self, path: Path, create: Callable[[Path], object]) -> None:
        """Let `create` make a file or folder, unless it exists. It appears when it is whole."""
        if path.exists():
            return
        self.check()
        partial = self.path / f"new-{uuid.uuid4().hex}" / path.name
        partial.parent.mkdir()
        try:
            create(partial)
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another process was first
                partial.rename(path)
        finally:
            shutil.rmtree(partial.parent, ignore_errors=True)

    def is_done(self, name: str, key: str) -> bool:
        """Return whether a part was recorded, by any process."""
        return self.journal.is_done(name, key)

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        self.journal.record(name, key)

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Remove the records of some parts; of all parts when None."""
        if lost is None or lost:
            self.journal.unrecord(name, lost)

    def save(self, name: str, **arrays: np.ndarray) -> None:
        """Save small arrays under a name, all or none."""
        with replacing(self.path / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def load(self, name: str, key: str) -> np.ndarray | None:
        """Load one of the arrays that were saved under a name.

        Delete a file that did not reach the disk whole, and return None for it.
        """
        damage = FileNotFoundError, EOFError, ValueError, KeyError, BadZipFile, zlib.error
        path = self.path / f"{name}.npz"
        # The file is opened here, because numpy would leave a damaged file open.
        with suppress(*damage), path.open("rb") as file:
            array: np.ndarray = np.load(file)[key]
            return array
        path.unlink(missing_ok=True)
        return None

    def has(self, name: str) -> bool:
        """Return whether arrays are saved under a name."""
        return (self.path / f"{name}.npz").exists()

    def drop(self, name: str) -> None:
        """Delete everything under a name, and under all names below it."""
        tables: list[dict[str, Any]] = [self._arrays, self._metadata]
        for table in tables:
            for key in [key for key in table if key.startswith(name)]:
                del table[key]
        self.journal.forget(name)
        delete(self.path / name)

    def remove(self) -> None:
        """Delete the folder."""
        with suppress(OSError):
            (self.path / _BEGUN).unlink()  # first, so that half a folder is never resumed
        delete(self.path)


Sink = Memory | Folder


def made_from_changed(one: str, other: str) -> bool:
    """Return whether two identities differ only in the size and time of the image's files."""
    (call, _, changed), (other_call, _, other_changed) = (t.rpartition("-") for t in (one, other))
    return bool(call) and call == other_call and changed != other_changed


def _mark(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from one that replaced it; None if it was not begun."""
    with suppress(OSError):
        status = (folder / _BEGUN).stat()
        return status.st_ino, status.st_mtime_ns
    return None


def _identity_in(path: Path) -> str | None:
    """Return the identity of a folder; None if it was not begun."""
    begun = _begun(path)
    return None if begun is None else str(begun["identity"])


def _begun(path: Path) -> Record | None:
    """Read the identity and settings that a folder was begun with; None if it was not begun."""
    with suppress(OSError, ValueError, TypeError):
        begun: Record = json.loads((path / _BEGUN).read_text())
        return begun if {"identity", "settings"} <= set(begun) else None
    return None
