"""Where results grow until they are whole: memory, or a folder that survives the process.

A folder is hidden beside the output. Each finished part is written before it is recorded, so that a
run that was killed goes on from the records, and many processes can work on one. The output appears
only when it is whole.
"""

from __future__ import annotations

import json
import shutil
import uuid
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import zarr

from ..errors import TakenError
from ..io import aside, delete, replacing, sweep
from .journal import Journal

_IDENTITY = "run.json"
Kept = dict[str, npt.NDArray[Any]]


class Sink(Protocol):
    """Where a run puts arrays and records."""

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0, or what an earlier run has written to it."""
        ...

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded."""
        ...

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        ...

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep small arrays under a name, all or nothing."""
        ...

    def load(self, name: str, *keys: str) -> Kept | None:
        """What was kept under a name, or some of it."""
        ...

    def drop(self, name: str) -> None:
        """Forget everything under a name, and all names below it."""
        ...


class Memory:
    """For what is soon done, or has no output."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def begin(self, decide: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is decided, for this run alone."""
        return decide()

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0."""
        if name not in self._kept:
            self._kept[name] = np.zeros(tuple(shape), dtype)
        return self._kept[name]

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded."""
        return key in self._kept.get(f"{name}.done", ())

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        self._kept.setdefault(f"{name}.done", set()).add(key)

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep small arrays under a name."""
        self._kept[name] = arrays

    def load(self, name: str, *keys: str) -> Kept | None:
        """What was kept under a name, or some of it."""
        kept = self._kept.get(name)
        return kept if kept is None or not keys else {key: kept[key] for key in keys}

    def drop(self, name: str) -> None:
        """Forget everything under a name."""
        for key in [k for k in self._kept if k.startswith(name)]:
            del self._kept[key]


class Folder:
    """A folder that an interrupted run leaves behind, and its next one goes on with.

    Parameters
    ----------
    path
        Created by `begin`, where it is not there.
    identity
        What a run must have in common with the one that began it: model, image, settings.

    Attributes
    ----------
    is_new
        Whether this run has begun it.

    Raises
    ------
    TakenError
        If it was begun with another identity.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        begun = _begun(path)
        self.is_new = False
        if begun is not None and begun["identity"] != identity:
            raise TakenError(
                f"{path} holds an unfinished result of another model, image or setting. Finish it "
                "with what it was begun with, or replace it (--overwrite)."
            )
        self.journal = Journal(path)
        self._arrays: dict[str, Any] = {}

    @staticmethod
    def is_begun(path: Path, identity: str) -> bool:
        """Whether a run of this identity has begun a folder."""
        begun = _begun(path)
        return begun is not None and begun["identity"] == identity

    def is_own(self, settings: dict[str, Any]) -> bool:
        """Whether it is still the folder of a run with these settings: not gone, or begun anew."""
        return _begun(self.path) == {"identity": self.identity, "settings": settings}

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
        """
        begun = _begun(self.path)
        if begun is None:
            settings = decide()
            new = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
            new.mkdir(parents=True)
            (new / _IDENTITY).write_text(
                json.dumps({"identity": self.identity, "settings": settings})
            )
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
            begun = _begun(self.path)
        if begun is None:
            raise OSError(f"Could not write to {self.path}.")
        decided: dict[str, Any] = begun["settings"]
        return decided

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0, or what an earlier run has written to it."""
        if name not in self._arrays:

            def make(path: Path) -> None:
                zarr.create_array(
                    path, shape=tuple(shape), dtype=dtype, chunks=tuple(chunks), fill_value=0
                )

            self._arrays[name] = zarr.open_array(self.made(name, make), mode="r+")
        return self._arrays[name]

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """A file or folder that `make` makes at the path that it is given, once and whole."""
        path = self.path / name
        if not path.exists():
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
        with suppress(*lost), (self.path / f"{name}.npz").open("rb") as file:
            arrays = np.load(file)
            return {key: arrays[key] for key in keys or arrays.files}
        return None

    def drop(self, name: str) -> None:
        """Forget everything under a name."""
        self._arrays = {k: v for k, v in self._arrays.items() if not k.startswith(name)}
        self.journal.forget(name)
        delete(self.path / name)

    def hand_over(self, name: str, to: Path) -> None:
        """Move something out of the folder to where it belongs, and take the folder away."""
        left = aside(self.path)
        self.path.rename(left)  # from now on nobody goes on with it
        try:
            (left / name).rename(to)
        except OSError:
            left.rename(self.path)
            raise
        sweep(self.path)

    def remove(self) -> None:
        """Take the folder away."""
        with suppress(OSError):
            (self.path / _IDENTITY).unlink()
        delete(self.path)


def _begun(path: Path) -> dict[str, Any] | None:
    """What an earlier run noted in its folder."""
    with suppress(OSError, ValueError, TypeError):
        begun = json.loads((path / _IDENTITY).read_text())
        return begun if {"identity", "settings"} <= set(begun) else None
    return None
