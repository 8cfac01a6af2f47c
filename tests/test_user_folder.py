"""Files of the user's folder."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from napari_scribe.user_folder import home, read_table, update_table


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "new" / "home"))
    return home()


def test_entries_are_kept_one_by_one(folder: Path) -> None:
    assert read_table("a.json") == {}
    update_table("a.json", "one", {"x": 1})
    update_table("a.json", "two", [2.5])
    update_table("b.json", "one", 3)
    assert read_table("a.json") == {"one": {"x": 1}, "two": [2.5]}
    update_table("a.json", "one", None)
    update_table("a.json", "nothing", None)
    assert json.loads((folder / "a.json").read_text()) == {"two": [2.5]}
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "b.json"]


@pytest.mark.parametrize("damaged", [b"", b"[1]", b"null", b'{"a": ', b"\xff\xfe"])
def test_a_damaged_file_is_replaced(folder: Path, damaged: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "a.json").write_bytes(damaged)
    assert read_table("a.json") == {}
    update_table("a.json", "one", 1)
    assert read_table("a.json") == {"one": 1}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_one(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (tmp_path / "there.json").write_text("{}")
    (folder / "a.json").symlink_to(tmp_path / "there.json")
    update_table("a.json", "one", 1)
    assert (folder / "a.json").is_symlink()
    assert json.loads((tmp_path / "there.json").read_text()) == {"one": 1}


@pytest.mark.parametrize("taken", ["home", "file"])
def test_a_folder_that_cannot_be_written_costs_nothing(folder: Path, taken: str) -> None:
    blocked = folder if taken == "home" else folder / "a.json" / "inside"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("")
    update_table("a.json", "one", 1)
    assert read_table("a.json") == {}
    assert blocked.exists()
    assert taken == "home" or [path.name for path in folder.iterdir()] == ["a.json"]


def test_nobody_reads_half_a_file(folder: Path) -> None:
    update_table("a.json", "long", "x" * 200_000)
    lengths = set()

    def write() -> None:
        for i in range(30):
            update_table("a.json", "short", i)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        lengths.add(len(read_table("a.json").get("long", "")))
    assert lengths == {200_000}
