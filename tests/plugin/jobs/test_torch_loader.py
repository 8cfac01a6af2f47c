"""Torch is loaded once, whoever asks for it."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from napari_scribe import device
from napari_scribe.plugin.jobs import torch_loader


def test_two_that_load_torch_at_once_find_each_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = device.devices()
    both = threading.Barrier(2)

    def slow() -> list[str]:
        """Find the devices once both threads look for them, or one has waited long enough."""
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return found

    monkeypatch.setattr(device, "devices", slow)
    monkeypatch.setattr(torch_loader, "_known", [])
    threads = [threading.Thread(target=torch_loader.load_torch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch_loader.found_devices() == found
