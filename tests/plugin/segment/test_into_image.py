"""The Segment dock writes labels into the OME-Zarr that the image comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.io import create_zarr, read_labels
from napari_scribe.io.ngff_labels import enter
from napari_scribe.plugin.layers.restore import open_file
from napari_scribe.samples import Sample


@pytest.fixture
def store(tmp_path: Path, sample: Sample) -> Path:
    """The sample as an OME-Zarr."""
    path = tmp_path / "cells.ome.zarr"
    made = create_zarr(path, sample.image.shape, sample.image.dtype, "YX", {"Y": 0.5, "X": 0.5})
    made[...] = sample.image
    return path


def test_labels_go_into_the_image(
    dock: Any, painted: Any, idle: Callable[[], None], store: Path, kept: Path, tmp_path: Path
) -> None:
    form = dock.form
    row, name = form.more.into_image_row, form.more.into_image
    assert row.isHidden()  # the sample is in no file
    painted.open(store, plugin="napari")
    painted.layers.selection.active = painted.layers[-1]
    form.model.set_value(kept)
    assert not row.isHidden() and "napari-ome-zarr" in form.more.own_reader.text()
    name.setText("a/b")
    dock.segment_button.click()
    assert "cannot be named 'a/b'" in dock.message.text
    name.setText("nuclei")
    form.more.save_to.value = tmp_path / "a.tif"
    dock.segment_button.click()
    assert "clear one of Save to and Into image" in dock.message.text
    form.more.save_to.value = None
    form.scope.combo.value = "visible"
    form.scope.combo.value = "layer"
    dock.segment_button.click()
    idle()
    out = store / "labels" / "nuclei"
    assert str(out) in dock.message.text
    labels = np.asarray(read_labels(out))
    assert labels.max() > 3
    shown = next(layer for layer in painted.layers if layer.name.endswith(" labels"))
    np.testing.assert_array_equal(shown.data, labels)
    form.more.halo.value = "quick"
    dock.segment_button.click()
    idle()
    assert dock.message.text == "nuclei holds something else already. Replace it?"
    form.scope.combo.value = "layers"
    assert row.isHidden()


def test_an_image_with_labels_is_opened_as_before(viewer: Any, store: Path) -> None:
    """Here with the reader of napari's own, which does not open it any more."""
    before = open_file(viewer, store, "napari")
    enter(store / "labels" / "nuclei")
    zarr.open_group(store / "labels" / "nuclei", mode="w")
    with pytest.raises(ValueError, match="No arrays found"):
        viewer.open(store, plugin="napari")
    (again,) = open_file(viewer, store, "napari")
    np.testing.assert_array_equal(again.data, before[0].data)
    assert again.name.startswith("cells")
    with pytest.raises(FileNotFoundError):
        open_file(viewer, store / "nothing.tif", "napari")
