"""Benchmarks say where they look for images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def common(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("common")


def test_the_folder_of_images_is_named(
    common: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SCRIBE_DATA", str(tmp_path))
    assert common.parser("", data=True).parse_args([]).data == tmp_path
    monkeypatch.delenv("NAPARI_SCRIBE_DATA")
    assert common.parser("", data=True).parse_args(["--data", str(tmp_path)]).data == tmp_path


@pytest.mark.parametrize("given", [[], ["--data", "nowhere"]])
def test_without_images_one_message_says_what_to_do(
    common: ModuleType,
    given: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NAPARI_SCRIBE_DATA", raising=False)
    with pytest.raises(SystemExit):
        common.parser("", data=True).parse_args(given)
    said = capsys.readouterr().err
    assert "is no folder: give that of the images, or set NAPARI_SCRIBE_DATA to it" in said
