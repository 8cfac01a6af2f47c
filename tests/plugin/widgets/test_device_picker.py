"""Which devices the docks offer: those that torch has, and none that is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_scribe.device import devices
from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.jobs.torch_loader import found_devices, load_torch
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.settings import remember
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.widgets.device_picker import DevicePicker

DOCKS = [(TrainDock, "train"), (SegmentDock, "segment"), (DenoiseDock, "denoise")]
AWAY = "cuda:99"


@pytest.mark.parametrize(("kind", "section"), DOCKS)
def test_a_device_that_is_gone_is_not_offered(
    docks: Callable[[type], Any], qtbot: Any, kind: type, section: str
) -> None:
    remember(section, {"device": AWAY})
    device = docks(kind).form.more.device
    qtbot.waitUntil(lambda: bool(found_devices()), timeout=60_000)
    device.reset_choices()
    assert list(device.combo.choices) == ["", *devices()]
    assert device.value == ""
    assert device.hint.text().startswith(f"{AWAY} is not there any more")
    device.combo.value = "cpu"
    assert device.value == "cpu" and not device.hint.text()


def test_a_device_that_is_there_stays_chosen(qtbot: Any) -> None:
    picker = DevicePicker()
    qtbot.addWidget(picker.native)
    picker.value = "cpu"
    load_torch()
    picker.reset_choices()
    assert picker.value == "cpu" and not picker.hint.text()


@pytest.mark.parametrize("kept", [7, None, ["cpu"], "", "banana"])
def test_what_is_no_device_is_the_best(qtbot: Any, kept: Any) -> None:
    load_torch()
    picker = DevicePicker()
    qtbot.addWidget(picker.native)
    picker.value = kept
    assert picker.value == ""
    assert bool(picker.hint.text()) == (kept == "banana")


def test_a_run_after_that_takes_the_best(
    docks: Callable[[type], Any], qtbot: Any, kept: Any, painted: Any
) -> None:
    load_torch()
    remember("segment", {"device": AWAY})
    dock = docks(SegmentDock)
    dock.segment()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=60_000)
    assert np.any(painted.layers["nuclei labels"].data)
