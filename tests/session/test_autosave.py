"""Paint that was not saved: written whole, read again, left behind by what has ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.session import autosave
from napari_scribe.session.autosave import KeptPaint, keep, left_behind, list_kept, read_kept


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path))


def painted(shape: tuple[int, ...] = (6, 5)) -> np.ndarray:
    paint = np.zeros(shape, np.uint16)
    paint[..., 2:4, 1:3] = 300
    return paint


def described(paint: np.ndarray, key: str = "a") -> KeptPaint:
    return KeptPaint(key=key, name="nuclei annotations", image="nuclei", shape=paint.shape)


@pytest.mark.parametrize("shape", [(6, 5), (1, 6, 5), (3, 6, 5), (2, 3, 6, 5), (1, 2, 3, 6, 5)])
def test_paint_comes_back_as_it_was(shape: tuple[int, ...]) -> None:
    paint = painted(shape)
    keep(described(paint), paint)
    (kept,) = list_kept()
    back = read_kept(kept)
    assert back.dtype == paint.dtype
    assert np.array_equal(back, paint)
    back[:] = 7  # it can be painted on


def test_paint_repeated_along_channels_is_written_once() -> None:
    paint = painted()
    repeated = np.lib.stride_tricks.as_strided(paint, (3, 6, 5), (0, *paint.strides))
    kept = keep(described(repeated), repeated)
    assert np.array_equal(read_kept(kept), repeated)
    from napari_scribe.io import read_image

    assert read_image(kept.file, "ZYX").shape == (1, 6, 5)


def test_what_runs_is_not_left_behind() -> None:
    paint = painted()
    keep(described(paint), paint)
    assert not list(left_behind())
    autosave.note_closed("a")
    assert [kept.key for kept in left_behind()] == ["a"]
    keep(described(paint), paint)
    assert not list(left_behind())


def test_what_a_killed_process_kept_is_left_behind() -> None:
    code = (
        "import numpy as np, os, signal\n"
        "from napari_scribe.session.autosave import KeptPaint, keep\n"
        "paint = np.ones((4, 4), np.uint16)\n"
        "keep(KeptPaint(key='b', name='p', image='i', shape=(4, 4)), paint)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode
    (kept,) = left_behind()
    assert (kept.key, read_kept(kept).sum()) == ("b", 16)
    moved = autosave.rename(kept, "c")
    assert not list(left_behind())
    assert [k.key for k in list_kept()] == ["c"]
    assert read_kept(moved).sum() == 16


def test_another_computer_has_a_day() -> None:
    paint = painted()
    kept = keep(described(paint), paint)
    elsewhere = replace(kept, host="elsewhere")
    assert autosave.is_at_work(elsewhere)
    assert not autosave.is_at_work(replace(elsewhere, when=kept.when - 2 * autosave.DAY))


def test_only_the_last_closed_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave, "MOST_CLOSED", 2)
    paint = painted()
    for key in "abc":
        keep(described(paint, key), paint)
    assert [kept.key for kept in list_kept()] == ["c", "b", "a"]
    for key in "abc":
        autosave.note_closed(key)
    assert [kept.key for kept in list_kept()] == ["c", "b"]
    assert not (autosave.recovery_folder() / "a.tif").exists()


def test_damaged_notes_and_paint() -> None:
    paint = painted()
    kept = keep(described(paint), paint)
    kept.file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a\.tif"):
        read_kept(kept)
    kept.note.write_text("{")
    assert not list_kept()
    keep(described(paint), paint)
    with pytest.raises(InputError, match="has the shape"):
        read_kept(replace(kept, shape=(9, 9)))
    autosave.forget("a")
    assert not list(autosave.recovery_folder().iterdir())
