"""Zips from unknown hands: no entry costs more memory than it may."""

from __future__ import annotations

import zipfile
from pathlib import Path
from zipfile import BadZipFile

import pytest

from napari_scribe.io import archive as module
from napari_scribe.io.archive import Archive


def zipped(path: Path, packing: int = zipfile.ZIP_STORED, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entries_come_back(tmp_path: Path, packing: int) -> None:
    large = bytes(range(256)) * 10_000
    path = zipped(tmp_path / "a.zip", packing, small=b"hello", large=large)
    with Archive(path) as archive:
        assert archive.names == ["small", "large"]
        assert archive.read("large", len(large)) == large
        assert archive.read("small", 5) == b"hello"
        with pytest.raises(BadZipFile, match="small is too large"):
            archive.read("small", 4)
        with pytest.raises(BadZipFile, match="other is missing"):
            archive.read("other", 4)


def test_all_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 1000)
    zeros = bytes(20_000)
    path = zipped(tmp_path / "a.zip", zipfile.ZIP_DEFLATED, a=bytes(900), b=bytes(900), c=zeros)
    with Archive(path) as archive:
        with pytest.raises(BadZipFile, match="c is too large"):
            archive.read("c", len(zeros))
        archive.read("a", 1000)
        archive.read("b", 1000)
        with pytest.raises(BadZipFile, match="a is too large"):
            archive.read("a", 1000)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_a_limit_is_refused(tmp_path: Path, packing: int) -> None:
    path = zipped(tmp_path / "a.zip", packing, a=bytes(1000))
    with Archive(path) as archive, pytest.raises(BadZipFile, match="packed in an unusual way"):
        archive.read("a", 1000)


def test_a_name_is_there_once(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", a=b"1")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a", b"2")
    with pytest.raises(BadZipFile, match="two entries have the same name"):
        Archive(path)


def test_a_size_that_is_a_lie(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", zipfile.ZIP_DEFLATED, a=bytes(1000))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24
    for size in (900, 1100):
        data[place : place + 4] = size.to_bytes(4, "little")
        path.write_bytes(data)
        with Archive(path) as archive, pytest.raises((BadZipFile, EOFError)):
            archive.read("a", 5000)
