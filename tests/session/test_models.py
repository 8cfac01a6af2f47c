"""What a user does with the files of models, without torch."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from napari_scribe.errors import InputError
from napari_scribe.io.model_folder import list_models, model_folder, shipped_models
from napari_scribe.session import models
from napari_scribe.session.trainings import checkpoint_beside


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the model folder, with something to go on from."""
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "scribe"))
    path = model_folder() / "cells objects.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", "{}")
        archive.writestr("replay", "pictures")
    checkpoint_beside(path).parent.mkdir()
    checkpoint_beside(path).write_text("goes on")
    return path


def test_rename_takes_the_checkpoint_along(kept: Path) -> None:
    new = models.rename(kept, " my: nuclei.. ")
    assert new.stem == "my- nuclei" and list_models() == [new]
    assert checkpoint_beside(new).read_text() == "goes on"
    assert not checkpoint_beside(kept).exists()
    assert models.rename(new, "my- nuclei") == new


@pytest.mark.parametrize("name", ["", " .. ", "other", shipped_models()[0].stem])
def test_names_that_cannot_be(kept: Path, name: str) -> None:
    (model_folder() / "other.zip").write_text("another one")
    with pytest.raises(InputError, match=r"name"):
        models.rename(kept, name)
    assert kept.exists() and (model_folder() / "other.zip").read_text() == "another one"


def test_what_is_removed_comes_back(kept: Path) -> None:
    content = kept.read_bytes()
    removed = models.remove(kept)
    assert list_models() == [] and removed.is_file()
    kept.write_text("another one")  # which takes the name meanwhile
    back = models.restore(removed, kept)
    assert back.stem == "cells objects (2)" and back.read_bytes() == content
    assert checkpoint_beside(back).read_text() == "goes on"
    assert kept.read_text() == "another one"


def test_two_removed_models_of_one_name_are_both_there(kept: Path) -> None:
    first = models.remove(kept)
    kept.write_text("another one")
    second = models.remove(kept)
    assert first != second and first.is_file() and second.read_text() == "another one"


def test_a_model_that_ships_stays(kept: Path) -> None:
    shipped = shipped_models()[0]
    for change in (models.remove, lambda path: models.rename(path, "mine")):
        with pytest.raises(InputError, match="stay as they are"):
            change(shipped)
    assert shipped.is_file()


@pytest.mark.parametrize("with_sample", [True, False])
def test_a_copy_to_share(kept: Path, tmp_path: Path, with_sample: bool) -> None:
    assert models.has_sample(kept)
    copy = models.save_copy(kept, tmp_path / "share" / "mine", with_sample=with_sample)
    assert copy == tmp_path / "share" / "mine.zip"
    assert models.has_sample(copy) == with_sample
    with zipfile.ZipFile(copy) as archive:
        assert archive.read("model.json") == b"{}"
    with pytest.raises(InputError, match="this model itself"):
        models.save_copy(copy, copy, with_sample=False)
    with pytest.raises(InputError, match="exists already"):
        models.save_copy(kept, copy.with_suffix(""), with_sample=with_sample)
    assert models.save_copy(kept, copy, with_sample=not with_sample) == copy
    assert models.has_sample(copy) != with_sample
    assert models.has_sample(kept)


def test_a_copy_of_what_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "letter.zip"
    path.write_text("Dear Sir")
    assert not models.has_sample(path)
    with pytest.raises(InputError):
        models.save_copy(path, tmp_path / "copy.zip", with_sample=True)
    assert not (tmp_path / "copy.zip").exists()
