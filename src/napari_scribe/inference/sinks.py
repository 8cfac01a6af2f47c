"""Where results grow until they are whole: memory, or a folder that survives the process.

A folder is hidden beside the output. Each finished part is written before it is recorded, so that a
run that was killed goes on from the records. The output appears only when it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import zarr

from ..errors import InputError
from ..io import replacing

_IDENTITY = "run.json"


class Sink(Protocol):
    """Where a run puts arrays and records."""

    def begin(self) -> None:
        """Get ready."""
        ...

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

    def load(self, name: str) -> dict[str, npt.NDArray[Any]] | None:
        """What was kept under a name."""
        ...

    def drop(self, name: str) -> None:
        """Forget everything under a name, and all names below it."""
        ...


class Memory:
    """For what is soon done, or has no output."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def begin(self) -> None:
        """Nothing to get ready."""

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

    def load(self, name: str) -> dict[str, npt.NDArray[Any]] | None:
        """What was kept under a name."""
        return self._kept.get(name)

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
    precision
        Of the network's arithmetic, should this run be the first.

    Attributes
    ----------
    precision
        That of the run that began it.
    is_new
        Whether this one is the first.

    Raises
    ------
    InputError
        If it was begun with another identity.
    """

    def __init__(self, path: Path, identity: str, precision: str) -> None:
        self.path = path
        begun = _begun(path)
        self.is_new = begun is None
        self._run = begun or {"identity": identity, "precision": precision}
        if self._run["identity"] != identity:
            raise InputError(
                f"{path} holds an unfinished result of another model, image or setting. Finish it "
                "with what it was begun with, or replace it (--overwrite)."
            )
        self.precision: str = self._run["precision"]
        self._done: dict[str, set[str]] = {}
        self._arrays: dict[str, Any] = {}

    @staticmethod
    def is_begun(path: Path, identity: str) -> bool:
        """Whether a run of this identity has begun a folder."""
        begun = _begun(path)
        return begun is not None and begun["identity"] == identity

    def begin(self) -> None:
        """Make the folder, unless an earlier run has."""
        if _begun(self.path) is None:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True)
            with replacing(self.path / _IDENTITY) as partial:
                partial.write_text(json.dumps(self._run))

    def array(self, name: str, shape: Sequence[int], dtype: Any, chunks: Sequence[int]) -> Any:
        """An array full of 0, or what an earlier run has written to it."""
        if name not in self._arrays:
            self._arrays[name] = _opened(self.path / name) or zarr.create_array(
                self.path / name,
                shape=tuple(shape),
                dtype=dtype,
                chunks=tuple(chunks),
                fill_value=0,
                overwrite=True,
            )
        return self._arrays[name]

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded, now or by an earlier run."""
        if name not in self._done:
            lines: list[str] = []
            with suppress(OSError):
                lines = self._log(name).read_text().split("\n")[:-1]  # the last may be torn
            self._done[name] = set(lines)
        return key in self._done[name]

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        self.is_done(name, key)
        self._done[name].add(key)
        with self._log(name).open("a") as log:
            log.write(f"{key}\n")

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep small arrays under a name, all or nothing."""
        with replacing(self.path / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def load(self, name: str) -> dict[str, npt.NDArray[Any]] | None:
        """What was kept under a name."""
        path = self.path / f"{name}.npz"
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return dict(arrays)

    def drop(self, name: str) -> None:
        """Forget everything under a name."""
        self._arrays = {k: v for k, v in self._arrays.items() if not k.startswith(name)}
        shutil.rmtree(self.path / name, ignore_errors=True)

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _log(self, name: str) -> Path:
        path = self.path / f"{name}.done"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _opened(path: Path) -> Any:
    """The array that an earlier run has made; None where there is none, or a torn one."""
    if path.exists():
        with suppress(Exception):
            return zarr.open_array(path, mode="r+")
    return None


def _begun(path: Path) -> dict[str, str] | None:
    """What an earlier run noted in its folder."""
    with suppress(OSError, ValueError, TypeError):
        begun = json.loads((path / _IDENTITY).read_text())
        return begun if {"identity", "precision"} <= set(begun) else None
    return None
