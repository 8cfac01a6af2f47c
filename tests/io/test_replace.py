"""What appears and goes all or nothing, and what is left of what was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_scribe.errors import TakenError
from napari_scribe.io import read_image, replacing, tidy, write_tiff
from napari_scribe.io.replace import move_into_place
from napari_scribe.memory import size_in_words


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "text").write_text(text)
    return path


def killed(tmp_path: Path, code: str) -> None:
    """Run code in a process that is killed in it."""
    head = (
        "import os, sys\nfrom pathlib import Path\nfrom napari_scribe.io import *\n"
        "from napari_scribe.io.replace import move_into_place, temporary_path\n"
        "tmp = Path(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", head + code, tmp_path], check=False)
    assert done.returncode in (-9, 1)


KILL = "os.kill(os.getpid(), 9)\n"


def test_a_folder_is_replaced_and_what_appeared_is_not(tmp_path: Path):
    old = folder(tmp_path / "a", "old")
    with pytest.raises(TakenError, match="has appeared meanwhile"):
        move_into_place(folder(tmp_path / "b", "new"), old, overwrite=False)
    assert (old / "text").read_text() == "old"
    move_into_place(tmp_path / "b", old)
    assert (old / "text").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    with pytest.raises(TakenError), replacing(tmp_path / "file", overwrite=False) as partial:
        partial.write_text("new")
        (tmp_path / "file").write_text("of another")
    assert (tmp_path / "file").read_text() == "of another"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "file"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("moment", ["set aside", "in place"])
def test_an_old_folder_is_there_until_the_new_one_is(tmp_path: Path, moment: str):
    old = folder(tmp_path / "a", "old")
    folder(tmp_path / "b", "new")
    kill = "n = 0\nreal = Path.rename\ndef rename(a, b):\n    global n\n    n += 1\n"
    kill += f"    if n == {2 if moment == 'set aside' else 3}: {KILL}    return real(a, b)\n"
    killed(tmp_path, kill + "Path.rename = rename\nmove_into_place(tmp / 'b', tmp / 'a')\n")
    tidy(old)
    assert (old / "text").read_text() == ("old" if moment == "set aside" else "new")
    assert {p.name for p in tmp_path.iterdir()} <= {"a", "b"}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_only_what_a_dead_process_left_is_taken_away(tmp_path: Path):
    users = [".a.tif.part", ".a.tif.mine.part", ".a.tif.12ab-x-1.part", ".b.tif.0000-1-1.old"]
    for name in users:
        (tmp_path / name).write_text("of the user")
    killed(tmp_path, f"with replacing(tmp / 'a.tif') as p:\n    p.write_text('half')\n    {KILL}")
    assert len(list(tmp_path.iterdir())) == len(users) + 1
    with replacing(tmp_path / "a.tif") as mine:
        mine.write_text("at work")
        tidy(tmp_path / "a.tif")
        assert mine.exists()
    write_tiff(tmp_path / "a.tif", np.zeros((9, 9), np.uint8))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*users, "a.tif"])


def test_a_link_is_followed(tmp_path: Path):
    (tmp_path / "link").symlink_to("real")
    for text in ("one", "two"):
        with replacing(tmp_path / "link") as partial:
            partial.write_text(text)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "two"


def test_a_name_with_characters_that_xml_has_not(tmp_path: Path):
    path = tmp_path / "a\x07b\x1b.tif"
    write_tiff(path, np.arange(99, dtype=np.uint8).reshape(9, 11), channel_names=())
    np.testing.assert_array_equal(read_image(path).data.ravel(), np.arange(99))


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (123456, "123 kB"), (3.5e7, "35 MB"),
     (999.9e6, "1 GB"), (4e12, "4 TB"), (1.234e15, "1.23 PB")],
)  # fmt: skip
def test_sizes_in_words(size: float, words: str):
    assert size_in_words(size) == words
