"""What napari finds through the manifest: docks, samples, the command."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.layers.purpose import note
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.train.dock import TrainDock


def test_docks(viewer: Any) -> None:
    for name, kind in (("Train", TrainDock), ("Segment", SegmentDock), ("Denoise", DenoiseDock)):
        _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", name)
        assert isinstance(dock, kind)
        assert type(dock.viewer).__name__ == "Viewer"  # not a proxy
        viewer.add_image(np.zeros((9, 40, 50)), name="stack")
        picker = dock.form.image
        assert picker.layer.current_choice == "stack"
        viewer.layers["stack"].name = "other"
        assert picker.layer.current_choice == "other"
        viewer.layers.clear()
        assert picker.layer.value is None
        with pytest.raises(InputError, match="Open an image first"):
            picker.image()
        dock.close_down()


@pytest.mark.parametrize(("key", "side"), [("nuclei", 512), ("nuclei_large", 2048)])
def test_samples(viewer: Any, key: str, side: int) -> None:
    image, paint = viewer.open_sample("napari-scribe", key)
    assert image.data.shape == paint.data.shape == (side, side)
    assert str(image.units[0]) == "micrometer"
    assert np.allclose(image.scale, 0.5)
    assert len(np.unique(paint.data)) == 12  # unknown, background, ten nuclei
    assert note(paint) == {"purpose": "annotations", "source": image.name}


def test_the_noisy_movie(viewer: Any) -> None:
    truth, noisy = viewer.open_sample("napari-scribe", "noisy_movie")
    assert noisy.data.shape == truth.data.shape == (24, 256, 256)
    assert (noisy.data.dtype, truth.data.dtype) == (np.uint16, np.float32)
    assert [str(unit) for unit in noisy.units] == ["second", "micrometer", "micrometer"]
    assert noisy.visible and not truth.visible
    assert note(truth) == {"purpose": "truth", "source": "noisy movie"}


def test_the_sample_is_ready_to_train(viewer: Any) -> None:
    viewer.open_sample("napari-scribe", "nuclei")
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Train")
    request = dock.form.value()
    assert request.image.name == "nuclei"
    assert request.paint.max() == 11
    dock.close_down()


def test_new_annotations_from_the_menu(viewer: Any) -> None:
    from npe2 import PluginManager

    image = viewer.add_image(np.zeros((40, 50)), name="cells")
    PluginManager.instance().commands.execute("napari-scribe.new_annotations")
    assert viewer.layers[-1].name == "cells annotations"
    assert viewer.layers[-1].data.shape == image.data.shape
