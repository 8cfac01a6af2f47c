"""Read a zip from an unknown source, with limits on the bytes that are unpacked."""

from __future__ import annotations

import io
import os
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

CHUNK = 2**20
"""Most bytes that are read, or unpacked, at once."""
SMALL, RATIO = 2**24, 4
"""All entries together may have `SMALL` bytes plus `RATIO` times the bytes of the file.

Weights can hardly be compressed: a few kilobytes that become gigabytes are an attack.
"""
_ENCRYPTED = 1
"""Flag of an entry that needs a password."""


class Archive:
    """Read the entries of a zip, each within a limit.

    Parameters
    ----------
    path
        Path of an ordinary file.

    Raises
    ------
    BadZipFile
        If it is no zip, is damaged, has too many entries, or has two of the same name.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = _File(path)
        try:
            self._zip = ZipFile(self._file)
            self.names = self._zip.namelist()
            if len(set(self.names)) < len(self.names):
                raise BadZipFile("two entries have the same name")
        except BaseException:
            self._file.close()
            raise
        self._n_bytes_left = SMALL + RATIO * os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_error: object) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of an entry.

        Raises
        ------
        BadZipFile
            If the entry is missing, is packed in an unusual way, has more than `limit` bytes, or
            has not as many as the zip says. Also if all entries that were read have too many bytes.
        """
        if name not in self.names:
            raise BadZipFile(f"{name} is missing")
        entry = self._zip.getinfo(name)
        is_usual = entry.compress_type in (ZIP_STORED, ZIP_DEFLATED)  # others unpack without limit
        if not is_usual or entry.flag_bits & _ENCRYPTED:
            raise BadZipFile(f"{name} is packed in an unusual way")
        if entry.file_size > min(limit, self._n_bytes_left):
            raise BadZipFile(f"{name} is too large")
        self._n_bytes_left -= entry.file_size
        with self._zip.open(entry) as stream:
            data = b"".join(iter(lambda: stream.read(CHUNK), b""))
        if len(data) != entry.file_size:
            raise BadZipFile(f"{name} is incomplete")
        return data


class _File(io.FileIO):
    """Refuse to read much at once, because zipfile reads the whole list of entries at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > CHUNK:
            raise BadZipFile("the list of entries is too long")
        return super().read(-1 if size is None else size) or b""
