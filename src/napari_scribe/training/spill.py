"""Keep arrays in memory as long as they fit, and the others in a temporary file."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..arrays import Array, Pixels
from ..image import Image
from ..memory import free_bytes, size_in_words
from ..targets import Paint
from .processes import n_processes_here

MANY_FILES = 100
"""From this many images on, more files are open at once than some systems allow at first."""


class Spill:
    """Keep arrays in memory up to a limit, and the others in a temporary file.

    The file has no name where the system allows that, so it is gone with the process, even if that
    is killed. It lies in the folder that ``TMPDIR`` names. Without it, on Linux and macOS, it lies
    in ``/var/tmp``, because ``/tmp`` is often memory.

    Parameters
    ----------
    limit
        Bytes that are kept in memory; everything if None.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit, self._held = limit, 0
        self._file: BinaryIO | None = None
        self._end = 0
        self._free: list[tuple[int, int]] = []
        self._lock = threading.RLock()  # an owner may be deleted by whoever holds it

    def has_room_for(self, owner: object, n_bytes: int) -> bool:
        """Return whether this many bytes may stay in memory, and if so, count them as used.

        They are free again when `owner` is deleted.
        """
        with self._lock:
            if self._limit is not None and self._held + n_bytes > self._limit:
                return False
            self._held += n_bytes
        weakref.finalize(owner, self._release, n_bytes)
        return True

    def _release(self, n_bytes: int) -> None:
        with self._lock:
            self._held -= n_bytes

    def image(self, image: Image) -> Image:
        """Return an image whose pixels are in memory only if they fit."""
        data = self.put(image.data)
        return image if data is image.data else image.selected(data=data)

    def paint(self, paint: Paint) -> Paint:
        """Return paint that is in memory only if it fits."""
        array = self.put(paint.array)
        return paint if array is paint.array else replace(paint, array=array)

    def put(self, array: Array) -> Array:
        """Return an array itself if it fits or is on disk already, else a copy of it in the file.

        Raises
        ------
        OSError
            If the disk is full.
        """
        if _is_on_disk(array) or self.has_room_for(array, array.nbytes):  # type: ignore[attr-defined]
            return array
        return self.stored(np.asarray(array))

    def stored(self, array: Pixels) -> Stored:
        """Return a copy of an array in the file.

        Raises
        ------
        OSError
            If the disk is full.
        """
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=_folder())  # noqa: SIM115, it stays open
                weakref.finalize(self, self._file.close)
            offset = self._place(array.nbytes)
            self._file.seek(offset)
            try:
                self._file.write(np.ascontiguousarray(array).data.cast("B"))
                self._file.flush()
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"{error.strerror}: the images do not fit into memory, and there is no room "
                    f"for {size_in_words(offset + array.nbytes)} in {_folder()}. Make room, or let "
                    "TMPDIR name a folder on a larger disk",
                ) from error
        stored = Stored(self, self._file, offset, array.shape, array.dtype)
        weakref.finalize(stored, self._free.append, (offset, array.nbytes))
        return stored

    def _place(self, n_bytes: int) -> int:
        """Return where to write: where something of this size was, or else at the end."""
        for i, (offset, size) in enumerate(self._free):
            if size == n_bytes:
                del self._free[i]
                return offset
        self._end += n_bytes
        return self._end - n_bytes

    def read(self, stored: Stored, index: Any) -> Pixels:
        """Return a copy of a part of an array in the file.

        The file is mapped for this moment only, so that what was read does not stay in memory.
        """
        with self._lock:
            mapped: Pixels = np.memmap(
                stored.file, stored.dtype, "r", offset=stored.offset, shape=stored.shape
            )
        return np.array(mapped[index])


class Stored:
    """Hold an array that lies in the file of a `Spill`, and read what is indexed."""

    def __init__(
        self,
        spill: Spill,
        file: BinaryIO,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self._spill, self.file, self.offset = spill, file, offset
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)

    def __getitem__(self, index: Any) -> Pixels:
        return self._spill.read(self, index)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        return np.asarray(self[...], dtype)


class StoredRows:
    """Hold a tensor that lies in the file of a `Spill`, and move what is indexed to a device."""

    def __init__(self, stored: Stored, device: torch.device) -> None:
        self._stored, self.device = stored, device
        self.shape = torch.Size(stored.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Tensor:
        return torch.from_numpy(self._stored[index]).to(self.device)


Rows = Tensor | StoredRows
"""A tensor on a device, or one on disk of which parts are moved to a device."""


def spill_of_files(n_images: int) -> Spill:
    """Return where the pixels of opened files go, as long as they are a quarter of the memory.

    Processes of torchrun on one machine divide that quarter.
    """
    if n_images >= MANY_FILES:
        _allow_many_files()
    return Spill(free_bytes("cpu") // (4 * n_processes_here()))


def spill_of_regions(device: torch.device) -> Spill:
    """Return where regions go: half of the device's memory is left for the training itself.

    Processes of torchrun have a card each, or divide the memory of the machine.
    """
    n = 1 if device.type == "cuda" else n_processes_here()
    return Spill(free_bytes(device) // (2 * n))


def _allow_many_files() -> None:
    """Allow this process as many open files as the system grants: each image stays open."""
    try:
        import resource
    except ImportError:  # Windows counts otherwise
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_on_disk(array: Array) -> bool:
    """Return whether an array is of a library that reads lazily, or is mapped from a file."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return not isinstance(array, np.ndarray)


def _folder() -> str:
    """Return the folder for temporary files that may be large."""
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK):
        return "/var/tmp"
    return tempfile.gettempdir()
